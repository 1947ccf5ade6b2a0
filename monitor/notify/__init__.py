"""Messages about changes of state, the digest, and the dead man's switch; sent by processes of their own.

`watch`, `states`, `queue` and `digest` are pure. `launch` is light: `collect` imports it. Only `send` imports Apprise.

May import: store, diagnosis, graph, analysis, output, config, system, model, localtime, errors.
"""
