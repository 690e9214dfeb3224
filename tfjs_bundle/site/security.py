"""What a bundle's page and worker may do: the one Content-Security-Policy, for every place that states it."""

from __future__ import annotations

from collections.abc import Mapping

#: Where page and worker may load from: this origin and nowhere else. ``blob:`` and ``data:`` are for
#: pictures that the visitor picks; ``wasm-unsafe-eval`` compiles WebAssembly and allows no eval.
CONTENT_SECURITY_POLICY = {
    "default-src": "'none'",
    "script-src": "'self' 'wasm-unsafe-eval'",
    "worker-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self' data: blob:",
    "style-src": "'self'",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
}


#: What the pages of an app must allow besides, whose model comes from an npm package: its scripts start from
#: their checked bytes.
PACKAGE_POLICY = {
    **CONTENT_SECURITY_POLICY,
    "worker-src": "'self' blob:",
}


def content_security_policy(policy: Mapping[str, str] = CONTENT_SECURITY_POLICY) -> str:
    """Return the policy as the value of the header of that name."""
    return "; ".join(f"{name} {value}" for name, value in policy.items())
