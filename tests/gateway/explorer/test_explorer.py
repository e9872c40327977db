"""The explorer, in a real browser: it finds what the interface finds, shows entities, verifies and plays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from playwright.sync_api import expect

from stat7.testing.servers import Gateway
from tests.gateway.explorer.browser import Visiting, expect_shown, found_by, verdict
from tests.gateway.explorer.exhibits import CROWD, SCRIPT, Exhibits
from tests.repositories import damage_document, damage_file

# Finding


def test_each_filter_finds_what_the_interface_finds(visit: Visiting, shown: Gateway) -> None:
    here = visit()
    page = here.open()
    query: dict[str, str] = {}

    def now(**changes: str) -> None:
        query.update(changes)
        expected = found_by(shown, **{name: text for name, text in query.items() if text})
        expect_shown(here, expected[:60])
        assert expected, query

    now()
    page.click("[data-filter=realm] [data-value=data]")
    page.click("[data-filter=realm] [data-value=event]")
    now(realm="data,event")
    page.click("[data-filter=horizon] [data-value=peak]")
    page.click("[data-filter=horizon] [data-value=decay]")
    now(horizon="peak,decay")
    page.fill("#lineage-from", "1")
    page.fill("#lineage-to", "9")
    page.press("#lineage-to", "Enter")
    now(lineage="1..9")
    for name, low, high in (("resonance", "-0.8", "0.9"), ("velocity", "-0.85", "0.77"), ("density", "0.01", "0.95")):
        page.fill(f"#{name}-from", low)
        page.fill(f"#{name}-to", high)
        page.press(f"#{name}-to", "Enter")
        now(**{name: f"{low}..{high}"})
    page.fill("#type-text", "rider")
    page.press("#type-text", "Enter")
    now(type="rider")
    page.click("#clear")
    query.clear()
    page.fill("#adjacent_to-text", "town/oxbow")
    page.press("#adjacent_to-text", "Enter")
    now(adjacent_to="town/oxbow")
    page.click("#versions-all")
    now(versions="all")
    page.fill("#created-text", "2026-02-01..2026-02-28")
    page.press("#created-text", "Enter")
    now(created="2026-02-01..2026-02-28")


def test_sliders_narrow_from_both_ends_by_arrow_keys(visit: Visiting, shown: Gateway) -> None:
    here = visit()
    page = here.open("#/?type=walker")
    page.focus("#resonance-least")
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    expect(page.locator("#resonance-from")).to_have_value("-0.7")
    page.focus("#resonance-most")
    for _ in range(40):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("#resonance-to")).to_have_value("0.6")
    expect_shown(here, found_by(shown, type="walker", resonance="-0.7..0.6"))
    assert page.evaluate("document.activeElement.id") == "resonance-most"
    page.focus("#resonance-least")
    page.keyboard.press("End")
    expect(page.locator("#resonance-from")).to_have_value("0.6")
    page.go_back()
    expect_shown(here, found_by(shown, type="walker"))
    expect(page.locator("#resonance-from")).to_have_value("")
    expect(page.locator("#resonance-least")).to_have_value("0")


def test_more_comes_page_by_page_and_a_reload_shows_as_much(visit: Visiting, shown: Gateway) -> None:
    here = visit()
    page = here.open("#/?versions=all")
    everything = found_by(shown, versions="all")
    assert len(everything) > CROWD
    expect_shown(here, everything[:60])
    page.click("#more")
    expect_shown(here, everything)
    expect(page.locator("#more")).to_have_count(0)
    assert page.evaluate("document.activeElement.dataset.address") == everything[60]
    page.reload()
    expect_shown(here, everything)
    page.click("[data-view=table]")
    expect_shown(here, everything[:60])
    expect(page.locator("tbody tr")).to_have_count(60)


def test_the_plot_shows_every_match_in_its_place(visit: Visiting, shown: Gateway) -> None:
    here = visit()
    page = here.open("#/?type=walker,rider&view=plot")
    expected = httpx.get(f"{shown.url}/entities", params={"type": "walker,rider", "limit": "1000"}, timeout=60).json()
    expect_shown(here, [match["address"] for match in expected["matches"]])
    for axis, name in (("x", "density"), ("y", "velocity")):
        page.select_option(f"#plot-{axis}", name)
        page.wait_for_function("name => location.hash.includes(name)", arg=name)
    page.wait_for_selector('svg[aria-label*="density across, velocity up"]')
    at: dict[str, tuple[float, float]] = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll(".mark")].map(
            mark => [mark.dataset.address, mark.getAttribute("transform").match(/[-\\d.]+/g).map(Number)]))"""
    )
    places = [(match["document"]["coordinates"], at[match["address"]]) for match in expected["matches"]]
    low, high = (pick(places, key=lambda each: each[0]["density"]) for pick in (min, max))
    for coordinates, (x, y) in places:
        part = (coordinates["density"] - low[0]["density"]) / (high[0]["density"] - low[0]["density"])
        assert x == pytest.approx(low[1][0] + part * (high[1][0] - low[1][0]), abs=0.3)
        part = (coordinates["velocity"] + 1) / 2
        floor, ceiling = max(y for _, (_, y) in places), min(y for _, (_, y) in places)
        assert y == pytest.approx(floor + part * (ceiling - floor), abs=0.3)
    numbers = page.locator(".legend li").all_inner_texts()
    assert sorted(re.sub(r"\s+", " ", text) for text in numbers) == ["data 25", "event 25", "narrative 25"]


def test_the_address_holds_the_whole_view(visit: Visiting, shown: Gateway, exhibits: Exhibits) -> None:
    here = visit()
    page = here.open("#/?realm=narrative")
    page.click("[data-view=plot]")
    page.select_option("#plot-x", "density")
    page.wait_for_selector("#plot-color")
    page.select_option("#plot-color", "horizon")
    page.wait_for_selector('svg[aria-label*="density across, resonance up, coloured by horizon"]')
    address = page.evaluate("location.hash")
    expected = found_by(shown, realm="narrative")

    def as_it_was() -> None:
        page.wait_for_selector('svg[aria-label*="density across, resonance up, coloured by horizon"]')
        expect_shown(here, expected)
        expect(page.locator("#plot-x")).to_have_value("density")
        expect(page.locator("[data-filter=realm] [data-value=narrative]")).to_have_attribute("aria-pressed", "true")
        assert page.evaluate("location.hash") == address

    page.reload()
    as_it_was()
    page.evaluate(f"document.querySelector('[data-address=\"{exhibits.hero}\"]').focus()")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("hero/ada")
    page.reload()
    expect(page.locator("h1")).to_have_text("hero/ada")
    page.go_back()
    as_it_was()
    assert page.evaluate("document.activeElement.dataset.address") == exhibits.hero
    page.go_back()
    page.wait_for_selector('svg[aria-label*="density across, resonance up, coloured by realm"]')
    page.go_forward()
    as_it_was()
    elsewhere = visit()
    elsewhere.page.goto(page.url)
    expect_shown(elsewhere, expected)
    expect(elsewhere.page.locator("#plot-color")).to_have_value("horizon")


# One entity


def test_an_entity_shows_its_facts_versions_and_neighbours(visit: Visiting, exhibits: Exhibits) -> None:
    here = visit()
    page = here.open(f"#/entity/{exhibits.hero}")
    expect(page.locator("h1")).to_have_text("hero/ada")
    values = dict(
        zip(page.locator(".values dt").all_inner_texts(), page.locator(".values dd").all_inner_texts(), strict=True)
    )
    assert values == {"realm": "narrative", "lineage": "3", "adjacency": "2 named here", "horizon": "peak",
                      "resonance": "0.82", "velocity": "0.1", "density": "0.45"}  # fmt: skip
    expect(page.locator(".title")).to_contain_text("current version")
    expect(page.locator("#history li")).to_have_count(3)
    expect(page.locator("#neighbours li")).to_have_count(2)
    expect(page.locator("#neighbours")).to_contain_text("town/unknown · nothing stored under this id")
    page.click(".tree summary >> text=coins")
    expect(page.locator(".tree")).to_contain_text("1: 2")
    page.click(f"#history a[href*='{exhibits.older}']")
    expect(page.locator(".title")).to_contain_text("an older version")
    page.click(".title >> text=go to the current one")
    expect(page.locator(".title")).to_contain_text("current version")
    page.click("#neighbours >> text=town/oxbow")
    expect(page.locator("h1")).to_have_text("town/oxbow")
    expect(page.locator("#neighbours")).to_contain_text("hero/ada")
    page.fill("#lookup-text", exhibits.oldest)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("hero/ada")
    page.fill("#lookup-text", "film/short")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("film/short")


def test_verify_is_green_for_what_is_as_it_should_be(visit: Visiting, exhibits: Exhibits) -> None:
    page = visit().open(f"#/entity/{exhibits.hero}")
    assert verdict(page, "this entity") == "good"
    digests = page.locator(".title [data-digest]").all_inner_texts()
    assert digests == [exhibits.hero, exhibits.hero]
    assert verdict(page, "red.png") == "good"
    assert page.locator(".file [data-digest]").all_inner_texts() == [exhibits.picture_file] * 2


def test_verify_is_red_for_what_was_altered_on_its_way(visit: Visiting, shown: Gateway, exhibits: Exhibits) -> None:
    here = visit()
    true = httpx.get(f"{shown.url}/entities/{exhibits.hero}", timeout=60).content
    page = here.open(f"#/entity/{exhibits.hero}")
    here.alter(f"/entities/{exhibits.hero}", true.replace(b'"level":3', b'"level":9'))
    here.alter(f"/files/{exhibits.picture_file}", b"another picture")
    assert verdict(page, "this entity") == "bad"
    expected, found = page.locator(".title [data-digest]").all_inner_texts()
    assert expected == exhibits.hero
    assert re.fullmatch("[0-9a-f]{64}", found)
    assert found != expected
    assert verdict(page, "red.png") == "bad"
    page = here.open(f"#/entity/{exhibits.older}")
    assert verdict(page, "this entity") == "good"


def test_verify_is_red_if_only_what_the_page_shows_was_altered(
    visit: Visiting, shown: Gateway, exhibits: Exhibits
) -> None:
    here = visit()
    path = f"/entities/{exhibits.older}"
    true = httpx.get(shown.url + path, timeout=60).content
    here.alter(path, true.replace(b'"Ada"', b'"Eve"'))
    page = here.open(f"#/entity/{exhibits.older}")
    expect(page.locator(".tree")).to_contain_text("Eve")
    here.page.unroute_all()
    assert verdict(page, "this entity") == "bad"
    here.alter(path, b'{"hello": "world"}')
    page.reload()
    expect(page.locator("[role=alert]")).to_contain_text("no entity")
    assert verdict(page, "the bytes") == "bad"


def test_damage_in_the_store_is_shown_red_and_nothing_of_it(
    visit: Visiting, shown: Gateway, exhibits: Exhibits
) -> None:
    here = visit(expected="status of 500|ERR_FAILED|ERR_CONTENT")
    path = f"/entities/{exhibits.damaged}"
    true = httpx.get(shown.url + path, timeout=60).content
    with exhibits.repository() as repo:
        damage_file(repo, exhibits.damaged_file, b"damaged")
        page = here.open(f"#/entity/{exhibits.damaged}")
        expect(page.locator(".exhibit [role=alert]")).to_contain_text("damaged")
        assert verdict(page, "hurt.png") == "bad"
        damage_document(repo, exhibits.damaged)
        try:
            # The browser may keep what it got for a while, so somebody else looks.
            other = visit(expected="status of 500")
            page = other.open(f"#/entity/{exhibits.damaged}")
            expect(page.locator("[role=alert]")).to_contain_text("The stored bytes are damaged")
            assert verdict(page, "the bytes") == "bad"
            expect(page.locator(".outcome")).to_contain_text("refuses to hand these bytes out")
        finally:
            damage_document(repo, exhibits.damaged, true)


@contextmanager
def damaged(exhibits: Exhibits, *addresses: str) -> Iterator[None]:
    """While these documents are damaged."""
    with exhibits.repository() as repo:
        true = repo.get_documents(addresses)
        for address in addresses:
            damage_document(repo, address)
        try:
            yield
        finally:
            for address, document in true.items():
                assert isinstance(document, bytes)
                damage_document(repo, address, document)


def test_a_damaged_match_is_shown_as_damaged_among_the_others(
    visit: Visiting, shown: Gateway, exhibits: Exhibits
) -> None:
    expected = found_by(shown, type="thing")
    assert exhibits.damaged in expected
    assert len(expected) > 1
    with damaged(exhibits, exhibits.damaged):
        for view, entry in (("cards", ".card.damaged"), ("table", "tr.damaged")):
            here = visit()
            page = here.open(f"#/?type=thing&view={view}")
            expect_shown(here, expected)
            expect(page.locator(entry)).to_have_count(1)
            expect(page.locator(entry)).to_contain_text("hurt/one")
            expect(page.locator(entry)).to_contain_text("The stored bytes are damaged")
        here = visit()
        page = here.open("#/?type=thing&view=plot")
        expect_shown(here, [address for address in expected if address != exhibits.damaged])
        expect(page.locator(".plot .damage")).to_contain_text("1 entity is damaged")
        page = visit().open(f"#/?file={exhibits.damaged_file}&view=plot")
        expect(page.locator(".plot .damage")).to_contain_text("1 entity is damaged")
        page = visit(expected="status of 500").open("#/?type=thing")
        page.click(".card.damaged")
        expect(page.locator("[role=alert]")).to_contain_text("The stored bytes are damaged")


def test_a_damaged_version_is_told_where_the_history_ends(visit: Visiting, exhibits: Exhibits) -> None:
    with damaged(exhibits, exhibits.older):
        page = visit().open(f"#/entity/{exhibits.hero}")
        lines = page.locator("#history li")
        expect(lines).to_have_count(2)
        expect(lines.last).to_contain_text("The stored bytes are damaged")
        link = lines.last.locator("a")
        assert exhibits.older in (link.get_attribute("href") or "")


def test_without_webcrypto_the_page_says_so(visit: Visiting, exhibits: Exhibits) -> None:
    here = visit()
    here.page.add_init_script("Object.defineProperty(Crypto.prototype, 'subtle', {get: () => undefined})")
    page = here.open(f"#/entity/{exhibits.hero}")
    assert verdict(page, "this entity") == "unknown"
    expect(page.locator(".outcome").first).to_contain_text("https or from localhost")
    page.click("text=Check it without this page")
    expect(page.locator(".title pre")).to_have_text(f"curl -s '{here.url}/entities/{exhibits.hero}' | sha256sum")


def test_pictures_are_shown_and_movies_play(visit: Visiting, exhibits: Exhibits) -> None:
    page = visit().open(f"#/entity/{exhibits.hero}")
    page.wait_for_function("() => document.querySelector('.exhibit img')?.naturalWidth === 64")
    page = visit().open(f"#/entity/{exhibits.movie}")
    page.wait_for_function("() => document.querySelector('.exhibit video')?.readyState >= 1")
    assert page.evaluate("document.querySelector('video').duration") == pytest.approx(3.0)
    page.evaluate("() => { const movie = document.querySelector('video'); movie.muted = true; return movie.play(); }")
    page.wait_for_function("() => document.querySelector('video').currentTime > 0.4")
    expect(page.locator(".exhibit .none")).to_contain_text("image/svg+xml is not shown here")
    assert page.locator(".exhibit img").count() == 0
    with page.expect_download() as saving:
        page.locator(".file", has_text="image/svg+xml").get_by_role("button", name="Save").click()
    assert SCRIPT.encode() in saving.value.path().read_bytes()
