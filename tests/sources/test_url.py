"""URLs of single files."""

from __future__ import annotations

from pathlib import Path

import pytest

from weighlock.errors import WeighlockError
from weighlock.lockfile import UrlSource
from weighlock.sources.url import TorchHubCache, file_name, list_url


def test_the_name_is_that_of_torch_hub() -> None:
    assert file_name("https://download.pytorch.org/models/resnet18-f37072fd.pth?download=1") == "resnet18-f37072fd.pth"
    assert [offer.path for offer in list_url("https://host/a%20b.pth").files] == ["a b.pth"]


@pytest.mark.parametrize(
    "url",
    ["https://host/", "https://host", "https://host/..", "https://host/a%2F..%2Fb", "https://host/%2e%2e",
     "https://host/a%0Ab", "https://host/a%1b.pth", "https://host/a%5Cb"],
)  # fmt: skip
def test_a_url_without_a_safe_file_name_is_refused(url: str) -> None:
    with pytest.raises(WeighlockError):
        list_url(url)


@pytest.mark.parametrize(
    "url",
    ["http://host/a.pth", "https://me:secret@host/a.pth", "https://host/a.pth?token=secret",
     "https://host/a.pth?X-Amz-Signature=secret"],
)  # fmt: skip
def test_a_url_that_must_not_stand_in_a_lockfile_is_refused_without_its_secret(url: str) -> None:
    with pytest.raises(WeighlockError) as caught:
        list_url(url)
    assert "secret" not in str(caught.value)


def test_http_for_this_machine_and_on_request() -> None:
    assert list_url("http://127.0.0.1:1/a.pth").source == UrlSource(url="http://127.0.0.1:1/a.pth")
    assert list_url("http://host/a.pth", allow_http=True).files[0].path == "a.pth"


def test_the_folder_is_that_of_torch_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", "/th")
    assert TorchHubCache().folder(UrlSource(url="https://host/a.pth")) == Path("/th/hub/checkpoints")
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    assert TorchHubCache().root == Path("/c/torch/hub/checkpoints")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/me")
    assert TorchHubCache().root == Path("/me/.cache/torch/hub/checkpoints")
