"""The headers that keep a browser from being used against its owner."""

# What a page of ours may load: what this server sends, and pictures it holds in memory.
_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'{nonce}; img-src 'self' blob: data:; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
CSP = _POLICY.format(nonce="")

# No route of ours sets these, so they are added without looking.
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(self), geolocation=(), microphone=()"),
)


def page_policy(nonce: str) -> str:
    """The policy of a page whose own styles carry this nonce, which is of one answer alone."""
    return _POLICY.format(nonce=f" 'nonce-{nonce}'")
