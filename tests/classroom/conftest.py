"""The browser of the tests of pages."""

from tests.pages.conftest import browser

__all__ = ["browser"]
