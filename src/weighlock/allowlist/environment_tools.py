"""Files that tools which make environments leave in them and that no distribution lists: each by its exact bytes.

Source:
    The wheels of virtualenv on PyPI, in the versions that are named; seen in November 2026. Other tools that make
    environments, such as `venv` and newer versions of uv, leave none.
"""

from __future__ import annotations

FILES: dict[str, frozenset[str]] = {
    "_virtualenv.pth": frozenset(
        {
            "69ac3d8f27e679c81b94ab30b3b56e9cd138219b1ba94a1fa3606d5a76a1433d",  # import _virtualenv
        }
    ),
    "_virtualenv.py": frozenset(
        {
            "684b8c07932ba4a84ac2e5ae9afe49ef04e92bac3d8d4191d455cf09d093e5fc",  # 20.0.35 to 20.10.0
            "ce57d5e0d9b5d7356cb42da7450ba8f9359bdf693e335f4c921626943c77e64d",  # 20.13.4 to 20.15.1
            "c9199315871b11b12df226f890a38e66e63191e1adbfb11a66e6861151b33fca",  # 20.16.7 to 20.21.1
            "f4dfaeb9efc1614890cfa94ed15bbe9b2ee15fbe76d569ef5e435e93e4987dc7",  # 20.22.0
            "119e4eb9c1a39e6ffd220840844bd326fa1bd3acf2f1c9fa0612949aedc228a5",  # 20.23.1
            "0aeb86546345c1d0fada097536e35525714d5cdbcc2d8eb3f9912a955044fcff",  # 20.24.7
            "0f20351ea7e90039c46d3fabdef991f28b1e3ff33eb13ee6f0d5cd21ea0e8b14",  # 20.25.3 to 20.34.0
            "bec6155ff7bfc88f8e79e481f27fd7ee0a3b40eeca9bfeb41f4c4b997b2f8100",  # 20.35.4 to 20.36.1
            "02943e192823d75212f206e1f2991ac572119882683a95dfbb7a1b913d7b14b5",  # 20.38.0 to 21.0.0
            "e8c426ce260f866254ff35cefedc8b3efbd6d1446d99d7a4cdeb0095f98a8b8f",  # 21.1.0 to 21.3.3
            "460589e83387d4dfe5fd84d41c5f6979599f5cd080983d73c832549161c80435",  # 21.4.3 to 21.6.1
            "0278334cdcfab4c746b4416fbd5c2b6e7da937c81e132397d62c361d404ebe0e",  # 21.7.0 to 21.15.0
            "dd8e633ed8b9f4741a52379f6d95cb2bf71cdf7d48aa43858935335efdd273ed",  # 21.15.3 to 21.15.6
            "cfe56cafbd68fd31a0e87100f111d7d2f6b7157241096500013c07e88d80a22f",  # 21.15.11
        }
    ),
}
"""Name -> SHA-256 digests."""


def is_left_by_a_tool(name: str, sha256: str) -> bool:
    """Tell whether a file is one that such a tool writes.

    Args:
        name: In the library folder.
        sha256: Of its bytes.
    """
    return sha256 in FILES.get(name, frozenset())
