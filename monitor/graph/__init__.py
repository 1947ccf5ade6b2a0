"""Graphs of runs. `kinds` names each kind and draws it; call `setup.prepare` before.

What is drawn is found from columns of runs by pure modules: `track`, which holds the runs of one probe and path, and
`line`, `bands`, `pauses`, `turns`, `promise`, `stats`, `hours`, `days`, `groups`, `bloat` and `envelope`. `words`,
`scale` and `ticks` put it into text and on axes. The kinds (`picture`, `latency`, `heatmap` and so on) lay it out on a
`sheet`, which draws with matplotlib; `braille` and `sparkline` draw text.
"""
