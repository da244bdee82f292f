"""A computer without Chromium is told what to install."""

import pytest

from scripts.browser import BrowserMissing, open_browser


@pytest.mark.parametrize(("there", "missing"), [((), "chromium"), (("chromium",), "chromedriver")])
def test_what_is_missing_is_named(
    tmp_path, monkeypatch: pytest.MonkeyPatch, there: tuple[str, ...], missing: str
) -> None:
    for name in there:
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    message = rf"{missing} was not found \(Debian: apt-get install chromium chromium-driver\)"
    with pytest.raises(BrowserMissing, match=message), open_browser(10, 10):
        pass
