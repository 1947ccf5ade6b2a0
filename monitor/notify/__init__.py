"""Messages about changes of state, the digest, the dead man's switch, and MQTT; sent by processes of their own.

`judgements`, `states`, `queue`, `digest` and `home_assistant` are pure. `launch` is light: `collect` imports it. Only
`send` imports Apprise, and only `mqtt_send` paho.

May import: store, diagnosis, graph, analysis, output, config, system, model, localtime, errors.
"""
