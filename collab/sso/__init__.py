"""Log-in at an OpenID Connect provider: allauth's flow, with what comes from the provider proven before it is believed.

allauth does not look at the signature of a token that it fetched itself, sends no nonce, and answers with an error of
ours where the provider is away or sends what it should not.
"""
