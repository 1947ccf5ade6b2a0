"""A home network, an ISP and a test server made of network namespaces, for the demo and the tests.

May import: apply, plan, errors.
"""
