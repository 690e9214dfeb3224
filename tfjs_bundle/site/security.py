"""What a bundle's page and worker may do: the one Content-Security-Policy, for every place that states it."""

from __future__ import annotations

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


def content_security_policy() -> str:
    """Return the policy as the value of the header of that name."""
    return "; ".join(f"{name} {value}" for name, value in CONTENT_SECURITY_POLICY.items())
