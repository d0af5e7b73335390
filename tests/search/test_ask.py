"""Conversations: answers with their sources, only for their person, only of what may be seen at that moment."""

import json
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import OperationalError
from django.test import Client, RequestFactory
from django.urls import reverse

from memories import mirror
from memories.models import Chunk, Document, Memory, MemoryPerson, Visibility
from search import asking, conversations
from search.engine.answering import INSTEAD, Draft
from search.engine.llm import Model
from search.models import Conversation, Turn
from search.views.ask import _stream
from tests.search.speaking import Handler, Server, saying, speaking

pytestmark = pytest.mark.django_db

BOOKS = {
    "moby.txt": [
        "The white whale was first seen near Japan in 1819. Nobody believed it.",
        "Captain Ahab lost his leg to the white whale. He swore revenge.",
    ],
    "tea.txt": ["Green tea should steep for two minutes. Black tea needs four minutes."],
}
SECRET = {"plans.txt": ["The secret launch of the rocket is on the ninth of May. Tell nobody."]}
WHALE = "Where was the white whale first seen?"
ROCKET = "When is the secret launch of the rocket?"


@pytest.fixture
def books(rows) -> Memory:
    return rows(BOOKS)


@pytest.fixture
def secret(rows) -> Memory:
    return rows(SECRET, name="Zebra plans", visibility=Visibility.TEAM)


@pytest.fixture
def at(client: Client) -> Callable[[Any], Client]:
    def run(user: Any) -> Client:
        client.force_login(user)
        return client

    return run


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with speaking() as server:
        yield server


@pytest.fixture
def server(running: Server, settings) -> Server:
    settings.LLM = Model(running.address, "tiny", first=5, idle=5, whole=20)
    running.asked.clear()
    return running


def ask(client: Client, question: str, memory: Memory | None = None, on: Conversation | None = None) -> Turn:
    where = reverse("conversation", args=[on.pk]) if on else reverse("ask")
    response = client.post(where, {"question": question, "memory": memory.pk if memory else ""})
    assert response.status_code == 302, response.content
    return Turn.objects.latest("pk")


def streamed(client: Client, question: str, **fields: Any) -> list[dict[str, Any]]:
    response = client.post(reverse("ask"), {"question": question, **fields}, headers={"Accept": "application/x-ndjson"})
    assert response.status_code == 200

    async def collect() -> str:
        return "".join([piece.decode() async for piece in response])

    return [json.loads(line) for line in async_to_sync(collect)().splitlines()]


def page(client: Client, turn: Turn) -> str:
    response = client.get(reverse("conversation", args=[turn.conversation_id]))
    return response.content.decode() if response.status_code == 200 else str(response.status_code)


def exported(client: Client, turn: Turn) -> str:
    return "".join(
        client.get(reverse("conversation-export", args=[turn.conversation_id, kind])).content.decode()
        for kind in ("md", "json")
    )


# -- answers


def test_an_extractive_answer_quotes_and_cites(at, alice, books):
    turn = ask(at(alice), WHALE)
    assert turn.pieces[0]["text"] == "The white whale was first seen near Japan in 1819."
    assert (turn.mode, turn.state) == ("extractive", "done")
    html = page(at(alice), turn)
    document = Document.objects.get(path="moby.txt")
    assert f'href="{reverse("document", args=[books.pk, document.number])}?chunk=0"' in html
    assert f"{reverse('watch', args=[books.pk])}?frame=0" in html
    assert "No language model is set up here" in html


GOLDEN = [
    (WHALE, "Japan in 1819"),
    ("What did Captain Ahab lose?", "lost his leg"),
    ("How long should green tea steep?", "two minutes"),
    ("Who did not believe in the white whale?", "Japan"),
]


@pytest.mark.parametrize(("question", "words"), GOLDEN)
@pytest.mark.parametrize("with_model", [False, True])
def test_every_citation_was_retrieved_and_holds_the_quoted_words(
    at, alice, books, request, question, words, with_model
):
    if with_model:
        server = request.getfixturevalue("server")

        def quoting(handler: Handler) -> None:
            given = server.asked[-1]["messages"][1]["content"]
            number = next(n for n in range(1, 9) if words in given.split(f'number="{n}"')[1].split("number=")[0])
            saying(f"It says “{words}” [{number}]. On the moon [77].")(handler)

        server.script = quoting
    turn = ask(at(alice), question)
    assert any(words in piece["text"] for piece in turn.pieces)
    by_number = {place["number"]: place for place in turn.passages}
    cited = [piece for piece in turn.pieces if piece["cites"]]
    assert cited
    for piece in cited:
        texts = [_text(by_number[number]) for number in piece["cites"]]
        quoted = words if with_model else piece["text"]
        assert any(quoted in text for text in texts)


def _text(place: dict[str, Any]) -> str:
    chunk = Chunk.objects.get(
        memory=place["memory"], document__number=place["document"], order=place["order"], removed=None
    )
    assert asking.digest_of(chunk.text) == place["digest"]
    return chunk.text


def test_nothing_relevant_is_said_plainly(at, alice, books):
    turn = ask(at(alice), "How do I repair a bicycle?")
    assert turn.pieces == []
    assert "Nothing relevant was found" in page(at(alice), turn)
    assert "Nothing relevant was found" in exported(at(alice), turn)


def test_the_stream_tells_what_the_page_shows(at, alice, books):
    events = streamed(at(alice), WHALE)
    assert [event["is"] for event in events[:4]] == ["begin", "mode", "text", "cite"]
    assert events[2]["text"] == "The white whale was first seen near Japan in 1819."
    end = events[-1]
    assert end["is"] == "end" and "Japan in 1819" in end["turn"]
    assert WHALE in events[0]["list"] and "Rename" in events[0]["head"], "there also when the answer is stopped"
    assert events[0]["sources"][str(events[3]["number"])].endswith("?chunk=0")


def test_who_stops_before_anything_was_searched_leaves_no_empty_conversation(at, alice, books):
    stopped = at(alice).post(reverse("ask"), {"question": WHALE}, headers={"Accept": "application/x-ndjson"})
    assert stopped.streaming and not Conversation.objects.exists()


def test_a_model_answers_where_one_is_set_up(at, alice, books, server):
    server.script = saying("Near Japan [1]. <b>Bold</b> [x](javascript:alert(1)) [44].")
    turn = ask(at(alice), WHALE)
    assert turn.mode == "model"
    html = page(at(alice), turn)
    assert "Written by a language model" in html and "&lt;b&gt;Bold" in html and "<b>Bold" not in html
    assert "[44] were removed" not in html and "were removed: [44]" in html
    assert 'href="javascript' not in html
    assert "\\<b\\>Bold" in client_export(at(alice), turn, "md")


def test_only_claims_are_marked_as_having_no_source(at, alice, books, server):
    server.script = saying("Near Japan [1].\n\nIt is big. [44] So it ends [1].\n")
    turn = ask(at(alice), WHALE)
    assert turn.pieces[-1] == {"text": "\n", "cites": []}
    html = page(at(alice), turn)
    assert html.count("is-unsourced") == 1 and '\n\n<span class="claim is-unsourced">It is big.</span>' in html


def test_a_sentence_before_the_one_with_the_number_is_marked(at, alice, books, server):
    server.script = saying("It eats ships. It was seen near Japan [1].")
    html = page(at(alice), ask(at(alice), WHALE))
    assert '<span class="claim is-unsourced">It eats ships.</span>' in html
    assert '<span class="claim"> It was seen near Japan.<a class="cite"' in html


def client_export(client: Client, turn: Turn, kind: str) -> str:
    return client.get(reverse("conversation-export", args=[turn.conversation_id, kind])).content.decode()


def test_a_broken_model_is_replaced_and_it_says_so(at, alice, books, server):
    server.script = saying("It was in Paris", finish=None)
    events = streamed(at(alice), WHALE)
    kinds = [event["is"] for event in events]
    assert kinds.index("again") < kinds.index("cite") < kinds.index("end")
    turn = Turn.objects.get()
    assert turn.mode == "extractive" and turn.notes[-1].endswith(INSTEAD) and "Paris" not in str(turn.pieces)
    assert INSTEAD in page(at(alice), turn)


def test_follow_up_questions_are_searched_with_the_one_before(at, alice, books):
    first = ask(at(alice), "What did Captain Ahab of the Pequod lose?")
    second = ask(at(alice), "and why?", on=first.conversation)
    assert second.notes[0] == asking.LEANED and any("Ahab" in piece["text"] for piece in second.pieces)
    third = ask(at(alice), "How long should green tea steep in water?", on=first.conversation)
    assert asking.LEANED not in third.notes
    assert asking.LEANED in page(at(alice), second)


def test_a_reader_who_leaves_finds_what_was_said_so_far(at, alice, books, server):
    def stalls(handler: Handler) -> None:
        handler.begin()
        handler.say("Near Japan [1]. And then")
        handler.hold()

    server.script = stalls
    server.left.clear()
    request = RequestFactory().post("/")
    request.user = alice
    conversation = asking.new_conversation(alice, books.workspace, None, WHALE)

    async def leave() -> None:
        async with aclosing(_stream(request, conversation, WHALE)) as lines:
            async for line in lines:
                if json.loads(line)["is"] == "cite":
                    break

    async_to_sync(leave)()
    turn = Turn.objects.get()
    assert (turn.state, turn.mode) == ("stopped", "model")
    assert turn.pieces[0] == {"text": "Near Japan ", "cites": [1]}
    assert server.left.wait(10)
    assert "Stopped here" in page(at(alice), turn)


@pytest.mark.parametrize("question", ["", "   ", "?!…", "x" * 1001, "\x00"])
def test_a_question_that_is_none_is_refused_in_a_line(at, alice, books, question):
    response = at(alice).post(reverse("ask"), {"question": question}, headers={"Accept": "application/x-ndjson"})
    assert response.status_code in (400, 422)
    assert Turn.objects.count() == Conversation.objects.count() == 0
    assert at(alice).post(reverse("ask"), {"question": question}).status_code in (302, 400)


@pytest.mark.parametrize(
    "question", ["<script>alert(1)</script> whale", "whale\r\nX: y", "a" * 999, "鯨 🐋 \u202e", "' OR 1=1 --"]
)
def test_odd_questions(at, alice, books, question):
    turn = ask(at(alice), question)
    assert turn.state == "done"
    assert "<script>alert(1)" not in page(at(alice), turn)


def test_a_pressed_example_is_the_question(at, alice, books):
    client = at(alice)
    assert "What is said about" in client.get(reverse("ask")).content.decode()
    client.post(reverse("ask"), {"question": "", "example": WHALE})
    assert Turn.objects.get().question == WHALE


def test_rename_delete_and_their_limits(at, alice, books):
    turn = ask(at(alice), WHALE)
    client, pk = at(alice), turn.conversation_id
    client.post(reverse("conversation-rename", args=[pk]), {"title": "  Whales\n<b> "})
    assert Conversation.objects.get().title == "Whales <b>"
    assert "Whales &lt;b&gt;" in page(client, turn)
    client.post(reverse("conversation-rename", args=[pk]), {"title": " "})
    assert Conversation.objects.get().title == "Whales <b>"
    assert client.get(reverse("conversation-delete", args=[pk])).status_code == 405
    client.post(reverse("conversation-delete", args=[pk]))
    assert Turn.objects.count() == 0
    assert client.get(reverse("conversation-export", args=[pk, "md"])).status_code == 404


def test_a_full_conversation_says_so(at, alice, books, monkeypatch):
    monkeypatch.setattr(conversations, "MOST_TURNS", 1)
    turn = ask(at(alice), WHALE)
    at(alice).post(reverse("conversation", args=[turn.conversation_id]), {"question": "more"})
    assert Turn.objects.count() == 1
    assert "This conversation is full" in page(at(alice), turn)


# -- rights


@pytest.mark.parametrize("name", ["conversation", "conversation-rename", "conversation-delete"])
def test_a_conversation_is_its_persons_own(at, alice, bob, charlie, books, name):
    turn = ask(at(alice), WHALE)
    for other in (bob, charlie):
        assert at(other).post(reverse(name, args=[turn.conversation_id]), {"question": "x"}).status_code == 404
        assert at(other).get(reverse("conversation", args=[turn.conversation_id])).status_code == 404
        assert at(other).get(reverse("conversation-export", args=[turn.conversation_id, "json"])).status_code == 404
    assert WHALE not in at(bob).get(reverse("ask")).content.decode()


def test_nobody_asks_without_a_login(client, books):
    assert client.get(reverse("ask")).status_code == 302
    assert client.post(reverse("ask"), {"question": WHALE}).url.startswith(reverse("account_login"))


def test_a_stranger_gets_no_answer_of_what_they_may_not_see(at, charlie, books, secret, server):
    from collab.models import Membership, Role, Workspace

    own = Workspace.objects.create(name="Elsewhere")
    Membership.objects.create(workspace=own, user=charlie, role=Role.OWNER)
    client = at(charlie)
    turn = ask(client, ROCKET)
    assert turn.pieces == turn.passages == [] and server.asked == []
    assert client.post(reverse("ask"), {"question": ROCKET, "memory": secret.pk}).status_code == 404
    assert client.get(reverse("ask"), {"memory": secret.pk}).status_code == 404
    assert "Zebra" not in client.get(reverse("ask")).content.decode()


def _close(memory: Memory) -> None:
    Memory.objects.filter(pk=memory.pk).update(visibility=Visibility.PRIVATE)


def _trash(memory: Memory) -> None:
    from django.utils import timezone

    Memory.objects.filter(pk=memory.pk).update(deleted_at=timezone.now())


def _delete(memory: Memory) -> None:
    memory.delete()


@pytest.mark.parametrize("take_away", [_close, _trash, _delete])
@pytest.mark.parametrize("with_model", [False, True])
def test_what_a_person_may_not_see_any_more_is_withheld(at, bob, books, secret, request, take_away, with_model):
    if with_model:
        request.getfixturevalue("server").script = saying("It is on the ninth of May, of the rocket [1].")
    turn = ask(at(bob), ROCKET)
    assert "ninth of May" in page(at(bob), turn) and "ninth of May" in exported(at(bob), turn)
    take_away(secret)
    for text in (page(at(bob), turn), exported(at(bob), turn)):
        assert "ninth" not in text and "Zebra" not in text and "plans.txt" not in text
        if take_away is not _delete:  # then there is nothing left of it
            assert "no longer visible to you" in text
            assert str(secret.pk) not in text


def test_a_conversation_about_one_memory_does_not_tell_its_name_later(at, bob, secret):
    turn = ask(at(bob), ROCKET, secret)
    assert "Zebra" in page(at(bob), turn)
    _close(secret)
    assert "Zebra" not in page(at(bob), turn) + exported(at(bob), turn)
    again = ask(at(bob), ROCKET, on=turn.conversation)
    assert again.pieces == []


def test_only_the_part_that_may_not_be_seen_is_withheld(at, alice, bob, books, secret):
    conversation = Conversation.objects.create(user=bob, workspace=books.workspace, title="Both")
    places = [
        {"number": n, "memory": str(m.pk), "document": 1, "order": 0, "digest": asking.digest_of(t)}
        for n, m, t in ((1, books, BOOKS["moby.txt"][0]), (2, secret, SECRET["plans.txt"][0]))
    ]
    pieces = [{"text": "Nobody believed it.", "cites": [1]}, {"text": "Tell nobody.", "cites": [2]}]
    turn = Turn.objects.create(conversation=conversation, question="?", pieces=pieces, passages=places, state="done")
    assert "Tell nobody" in page(at(bob), turn)
    _close(secret)
    html = page(at(bob), turn)
    assert "Nobody believed it" in html and "Tell nobody" not in html
    Turn.objects.update(mode="model")  # a model may have used any passage that it was given
    assert "Nobody believed it" not in page(at(bob), turn) + exported(at(bob), turn)


def test_somebody_who_was_named_and_is_no_longer(at, bob, books, secret):
    _close(secret)
    person = MemoryPerson.objects.create(memory=secret, user=bob)
    turn = ask(at(bob), ROCKET)
    assert "ninth of May" in page(at(bob), turn)
    person.delete()
    assert "ninth" not in page(at(bob), turn)


def test_somebody_who_left_the_workspace_has_no_conversation_in_it(at, bob, books):
    turn = ask(at(bob), WHALE)
    bob.memberships.all().delete()
    assert page(at(bob), turn) == "404"


# -- what changes under a conversation


def test_a_changed_passage_is_shown_as_it_was(at, alice, books):
    turn = ask(at(alice), WHALE)
    old = Chunk.objects.get(text__startswith="The white whale")
    Chunk.objects.filter(pk=old.pk).update(removed=2)
    html = page(at(alice), turn)
    assert "changed or removed since" in html and "&amp;at=1" in html
    Chunk.objects.filter(pk=old.pk).update(text="Something else")
    assert "not in the memory any more as it was then" in page(at(alice), turn)


def test_erasing_takes_text_questions_and_names(at, alice, books, secret, server):
    server.script = saying("It is on the ninth of May [1].")
    turn = ask(at(alice), ROCKET)
    server.script = saying("Tea needs two minutes [1].")
    other = ask(at(alice), "What of plans.txt and tea?", on=turn.conversation)
    unrelated = ask(at(alice), "How long should green tea steep?", books)
    document = Document.objects.get(path="plans.txt")
    for _ in range(2):
        conversations.erase(secret, {document.number}, {"plans.txt"})
    for one in (turn, other, turn.conversation):
        one.refresh_from_db()
        assert not {"ninth", "rocket", "plans"} & set(str(one.__dict__).lower().replace(".", " ").split())
    assert turn.pieces == [] and turn.question == turn.conversation.title == "[erased]"
    unrelated.refresh_from_db()
    assert unrelated.question == "How long should green tea steep?"


def test_an_answer_that_is_written_while_its_document_is_erased_is_not_kept(alice, books, secret):
    conversation = asking.new_conversation(alice, secret.workspace, None, ROCKET)
    turn, _ = asking.begin(alice, conversation, ROCKET)
    draft = Draft()
    draft.pieces = [asking.answering.Piece("ninth of May", [1])]
    document = Document.objects.get(path="plans.txt")
    conversations.erase(secret, {document.number}, {"plans.txt"})
    asking.keep(turn, replace(draft), whole=True)
    turn.refresh_from_db()
    assert turn.pieces == []


@pytest.mark.django_db(transaction=True)
def test_while_the_rows_of_a_memory_are_made_anew_its_file_knows_what_is_there(new_memory, alice, monkeypatch):
    memory = new_memory({name: "\n\n".join(texts) for name, texts in BOOKS.items()})
    real, kept = mirror.follow, []

    def meanwhile(*args, **more):
        for question, number in ((WHALE, 1), (WHALE, 99)):
            turn = asking.begin(alice, asking.new_conversation(alice, memory.workspace, None, question), question)[0]
            turn.passages = [{"number": 1, "memory": str(memory.pk), "document": number, "order": 0, "digest": ""}]
            asking.keep(turn, Draft(pieces=[asking.answering.Piece("near Japan", [1])]), whole=True)
            turn.refresh_from_db()
            kept.append(bool(turn.pieces))
        return real(*args, **more)

    monkeypatch.setattr(mirror, "follow", meanwhile)
    mirror.rebuild(memory)
    assert kept == [True, False]


def test_a_question_whose_search_fails_leaves_no_conversation_and_says_so(at, alice, books, monkeypatch):
    def away(*_, **__):
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(asking.queries, "search", away)
    [event] = streamed(at(alice), WHALE)
    assert event["is"] == "error" and "ask again" in event["text"] and not Conversation.objects.exists()


def test_an_answer_whose_document_went_meanwhile_is_not_kept(alice, books, secret):
    conversation = asking.new_conversation(alice, secret.workspace, None, ROCKET)
    turn, _ = asking.begin(alice, conversation, ROCKET)
    Document.objects.filter(path="plans.txt").delete()
    asking.keep(turn, Draft(pieces=[asking.answering.Piece("ninth of May", [1])]), whole=True)
    turn.refresh_from_db()
    assert turn.pieces == [] and "erased meanwhile" in turn.notes[-1]
