"""The TCP and UDP sysctls that set-up copies from the host, because they change what a test inside measures.

A new namespace has the kernel's defaults, not the host's values; only the listed keys are copied.
"""

from __future__ import annotations

KEYS = tuple(
    f"net/ipv4/{name}"
    for name in (
        "ip_default_ttl",
        "ip_local_port_range",
        "ip_no_pmtu_disc",
        "tcp_adv_win_scale",
        "tcp_app_win",
        "tcp_base_mss",
        "tcp_congestion_control",
        "tcp_dsack",
        "tcp_early_retrans",
        "tcp_ecn",
        "tcp_fastopen",
        "tcp_frto",
        "tcp_limit_output_bytes",
        "tcp_min_tso_segs",
        "tcp_moderate_rcvbuf",
        "tcp_mtu_probing",
        "tcp_no_metrics_save",
        "tcp_notsent_lowat",
        "tcp_pacing_ca_ratio",
        "tcp_pacing_ss_ratio",
        "tcp_recovery",
        "tcp_reordering",
        "tcp_rmem",
        "tcp_sack",
        "tcp_slow_start_after_idle",
        "tcp_syn_retries",
        "tcp_timestamps",
        "tcp_tso_win_divisor",
        "tcp_window_scaling",
        "tcp_wmem",
        "udp_rmem_min",
        "udp_wmem_min",
    )
)
