"""A home, its ISP, a slow IPv6 tunnel and a speedtest.net in namespaces of their own: for the demo and the tests.

`topology` is the network as data; `world` and `furnish` make the private machine that it runs in; `run` opens it.
"""
