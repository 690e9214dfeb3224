"""Hosts of static sites: what each reads of a directory, how much it takes, and whether it sends twins.

The limits are those of the hosts' documentation, of the free plan where plans differ; hosts change them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tfjs_bundle.errors import UsageError

#: Where the templates of single hosts lie; the others are everybody's.
HOSTING_TEMPLATES = "hosting/"

_MIB = 1 << 20


@dataclass(frozen=True)
class Host:
    """What is known of a host.

    Attributes:
        title: as it calls itself.
        reads: the file in the bundle that tells it which headers to send, by the template that gives it.
        largest_file: bytes; ``None`` where no bundle comes near a limit.
        most_files: in a site.
        largest_site: bytes, all files together.
        sends_twins: it sends ``file.br`` or ``file.gz`` in place of ``file`` where they lie beside it, and
            compresses nothing itself unless it is told to.
    """

    title: str
    reads: tuple[str, str] | None = None
    largest_file: int | None = None
    most_files: int | None = None
    largest_site: int | None = None
    sends_twins: bool = False

    def for_templates(self) -> dict[str, str]:
        """Return what templates may say of the host; ``reads`` is empty where it reads nothing."""
        return {"title": self.title, "reads": self.reads[1] if self.reads else ""}


_HEADERS = ("_headers", "_headers")

#: By the name of the option; ``any`` is for whoever has not said.
HOSTS = {
    "any": Host("any host", _HEADERS),
    "apache": Host("Apache", ("hosting/htaccess", ".htaccess"), sends_twins=True),
    "cloudflare-pages": Host("Cloudflare Pages", _HEADERS, largest_file=25 * _MIB, most_files=20_000),
    "firebase": Host("Firebase Hosting", ("hosting/firebase.json", "firebase.json"), largest_file=2 * 10**9),
    "github-pages": Host("GitHub Pages", largest_file=100 * _MIB, largest_site=10**9),
    "netlify": Host("Netlify", _HEADERS, most_files=54_000),
    "nginx": Host("nginx", ("hosting/nginx.conf", "nginx.conf"), sends_twins=True),
    "vercel": Host("Vercel", ("hosting/vercel.json", "vercel.json"), largest_site=100 * 10**6),
}


#: Which no page has a use for.
FILES_OF_HOSTS = frozenset(host.reads[1] for host in HOSTS.values() if host.reads)


def place(host: Host, template: str) -> str | None:
    """Return where the file of a template lies in a bundle for ``host``; ``None`` where it has no place."""
    if host.reads and template == host.reads[0]:
        return host.reads[1]
    if template == _HEADERS[0] or template.startswith(HOSTING_TEMPLATES):
        return None
    return template


def check(host: Host, sizes: Iterable[tuple[str, int]]) -> list[str]:
    """Compare a site with what ``host`` takes; return sentences on what its plans may not cover.

    Args:
        sizes: path and bytes of every file.

    Raises:
        UsageError: the host takes no file that large, or not that many.
    """
    files = list(sizes)
    path, largest = max(files, key=lambda file: file[1])
    if host.largest_file is not None and largest > host.largest_file:
        raise UsageError(
            f"{host.title} takes no file larger than {host.largest_file:,} bytes; {path} has {largest:,}.",
            "Give a smaller --shard-size.",
        )
    if host.most_files is not None and len(files) > host.most_files:
        raise UsageError(
            f"{host.title} takes no more than {host.most_files:,} files; these are {len(files):,}.",
            "Give a larger --shard-size.",
        )
    total = sum(size for _, size in files)
    if host.largest_site is not None and total > host.largest_site:
        return [
            f"{host.title} may refuse the site: it takes {host.largest_site:,} bytes; these are {total:,}."
        ]
    return []
