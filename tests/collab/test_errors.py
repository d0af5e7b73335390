"""Without the fixture `db` a test may not touch the database: no more may a page that says that it broke."""

from django.template.loader import render_to_string
from django.test import RequestFactory

from memvid_site.errors import server_error


def test_the_page_for_what_broke_needs_no_database_and_no_request():
    assert "Something broke" in render_to_string("500.html")


def test_the_answer_to_a_bug_is_that_page():
    try:
        raise RuntimeError("a bug")
    except RuntimeError:
        answer = server_error(RequestFactory().get("/"))
    assert answer.status_code == 500
    assert "Something broke" in answer.content.decode()
