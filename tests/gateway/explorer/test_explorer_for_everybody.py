"""What must not happen on the pages, keys and problems, and that all can use them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import expect

from stat7.testing.fixtures import started
from stat7.testing.servers import Gateway
from tests.gateway.conftest import document
from tests.gateway.explorer.browser import RATES, Visiting, axe_source, barriers, expect_shown, found_by, verdict
from tests.gateway.explorer.exhibits import HOSTILE, SCRIPT, Exhibits

FOCUS_SHOWS = """() => {
    const here = document.activeElement;
    const style = getComputedStyle(here.matches(".mark") ? here.firstElementChild : here);
    return style.outlineStyle !== "none" || here.matches(".thumb") || parseFloat(style.scale) > 1;
}"""


# What must not happen


def test_hostile_texts_stay_text(visit: Visiting, exhibits: Exhibits) -> None:
    here = visit()
    for view in ("cards", "table", "plot"):
        page = here.open(f"#/?type=hostile&view={view}")
        expect_shown(here, [each for each in here.addresses() if each in exhibits.hostile])
        assert len(here.addresses()) == len(HOSTILE)
    for id, address in zip(HOSTILE, exhibits.hostile, strict=True):
        page = here.open(f"#/entity/{address}")
        assert page.locator("h1").text_content() == id
        assert page.locator("h1 .unseen").count() == len(re.findall("[\u202a-\u202e\u200f]", id))
        expect(page.locator("#neighbours li")).to_have_count(len(HOSTILE) - 1)
        assert set(HOSTILE) - {id} == set(page.locator("#neighbours li bdi").all_text_contents())
        assert verdict(page, "this entity") == "good"
    page.wait_for_function(
        """() => {
            for (const closed of document.querySelectorAll(".tree details:not([open])")) closed.open = true;
            return document.querySelectorAll(".tree details").length === 60;
        }"""
    )
    page.click(".tree >> text=50 more")
    expect(page.locator(".tree .string", has_text="<script>")).to_have_count(153)
    page.fill("#lookup-text", SCRIPT)
    page.press("#lookup-text", "Enter")
    expect(page.locator("h1")).to_have_text(SCRIPT)
    page = here.open(f"#/?type=hostile&adjacent_to={SCRIPT.replace('#', '%23').replace('&', '%26')}&created={SCRIPT}")
    assert page.evaluate("'harmed' in window || 'harmed' in Object.prototype") is False
    assert page.evaluate("document.querySelectorAll('main script, main img[src=x], main svg[onload]').length") == 0
    # The last question was none, and the browser itself notes the answer's status.
    assert [error for error in here.errors if "status of 400" not in error] == []
    here.errors.clear()


def test_the_policy_forbids_scripts_and_styles_in_the_page(visit: Visiting, shown: Gateway) -> None:
    for path in ("/", "/docs"):
        policy = httpx.get(shown.url + path, timeout=60).headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
    here = visit(expected="Content Security Policy|violates the following|TrustedScript|TrustedHTML")
    page = here.open()
    outcomes = page.evaluate("""() => {
        const script = document.createElement("script");
        const ways = [
            () => { document.body.innerHTML = "<b>text</b>"; },
            () => { script.textContent = "window.harmed = 1"; },
            () => { script.append("window.harmed = 1"); document.body.append(script); },
            () => { document.body.setAttribute("onclick", "window.harmed = 1"); document.body.click(); },
            () => { document.body.setAttribute("style", "color: red"); },
        ];
        return ways.map(way => { try { way(); return "went on"; } catch (error) { return error.name; } });
    }""")
    assert outcomes[:2] == ["TypeError", "TypeError"]
    assert page.evaluate("'harmed' in window") is False
    assert page.evaluate("document.body.style.color") == ""
    assert any("Content Security Policy" in error for error in here.errors)


def test_a_planted_fault_would_be_noticed(visit: Visiting) -> None:
    here = visit(expected="planted|ERR_|Content Security Policy|violates")
    page = here.open()
    page.evaluate("console.error('planted'); fetch('http://127.0.0.2:9/').catch(() => 0)")
    page.evaluate("document.querySelector('main').style.width = '4000px'")
    assert here.overflow() > 0
    page.wait_for_function("() => true")
    assert any("planted" in error for error in here.errors)
    here.errors.clear()
    here.strays.clear()


# Keys and problems


def test_a_key_opens_what_is_closed_and_stays_in_the_tab(visit: Visiting, exhibits: Exhibits) -> None:
    with started(Gateway(*RATES, store=exhibits.store, files=exhibits.files)) as closed:
        here = visit(server=closed, expected="status of 40[13]")
        page = here.open()
        expect(page.locator("[role=alert]")).to_contain_text("A valid key is needed")
        page.click("text=Enter a key")
        page.fill("#key-text", "stat7_00000000_wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#key-said")).to_contain_text("can't be used")
        page.fill("#key-text", closed.keys["write"])
        page.keyboard.press("Enter")
        expect(page.locator("[role=alert]")).to_contain_text("This key may not read here")
        page.click("text=Enter a key")
        page.fill("#key-text", closed.keys["read"])
        page.keyboard.press("Enter")
        expect(page.locator("main [data-address]")).to_have_count(60)
        page = here.open(f"#/entity/{exhibits.hero}")
        page.wait_for_function("() => document.querySelector('.exhibit img')?.naturalWidth === 64")
        assert page.evaluate("document.querySelector('.exhibit img').src").startswith("blob:")
        assert verdict(page, "red.png") == "good"
        page = here.open(f"#/entity/{exhibits.movie}")
        page.wait_for_function("() => document.querySelector('.exhibit video')?.readyState >= 2")
        assert closed.keys["read"] not in page.url
        assert page.evaluate("[document.cookie, localStorage.length]") == ["", 0]
        other = visit(server=closed, expected="status of 401")
        expect(other.open().locator("[role=alert]")).to_contain_text("A valid key is needed")
        page.click("#key-button")
        page.click("text=Forget it")
        page.click("text=Close")
        expect(page.locator("[role=alert]")).to_contain_text("A valid key is needed")
        assert page.evaluate("sessionStorage.length") == 0


def test_problems_are_told_with_what_to_do(visit: Visiting, exhibits: Exhibits) -> None:
    here = visit(expected="status of (4|5)")
    page = here.open(f"#/entity/{exhibits.withdrawn}")
    expect(page.locator("[role=alert]")).to_contain_text("It was withdrawn")
    expect(page.locator(".facts")).to_contain_text("personal <b>data</b>")
    page = here.open(f"#/entity/{'0' * 64}")
    expect(page.locator("[role=alert]")).to_contain_text("Nothing is stored there")
    page.fill("#lookup-text", "no/such")
    page.keyboard.press("Enter")
    expect(page.locator("[role=alert]")).to_contain_text("no/such")
    page = here.open("#/?resonance=x..")
    expect(page.locator("[role=alert]")).to_contain_text("resonance")
    expect(page.locator("#resonance-from")).to_have_attribute("aria-invalid", "true")
    for status, kind, words in ((429, "rate-limited", "in 7 s"), (503, "overloaded", "busy")):
        problem = {
            "type": f"urn:stat7:problem:{kind}",
            "title": kind,
            "status": status,
            "detail": "later",
            "request": "r1",
        }
        here.answer("/entities", status, problem, {"Retry-After": "7"})
        page = here.open(f"#/?lineage={status}")
        expect(page.locator("[role=alert]")).to_contain_text(words)
        page.unroute_all()
        page.click("text=Try again")
        expect(page.locator("#no-matches")).to_be_visible()
    page.route("**/entities?*", lambda route: route.abort())
    page = here.open("#/?lineage=17")
    expect(page.locator("[role=alert]")).to_contain_text("can't be reached")
    assert [error for error in here.errors if "ERR_FAILED" not in error and "status of" not in error] == []
    here.errors.clear()


def test_an_empty_store_tells_how_to_fill_it(visit: Visiting) -> None:
    with started(Gateway("--public-read", *RATES)) as empty:
        here = visit(server=empty)
        page = here.open()
        expect(page.locator("#empty")).to_contain_text("stat7 import files")
        with empty.repository() as repo:
            repo.put(document("first/one"))
        page.click("text=Look again")
        expect(page.locator("main [data-address]")).to_have_count(1)


# For everybody


def views(exhibits: Exhibits) -> list[str]:
    """Every kind of page there is."""
    return ["#/", "#/?view=table&realm=narrative", "#/?view=plot&color=horizon", "#/?lineage=4000",
            f"#/entity/{exhibits.hero}", f"#/entity/{exhibits.hostile[3]}", f"#/entity/{exhibits.movie}",
            "/docs"]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_barrier(
    visit: Visiting, exhibits: Exhibits, program: Callable[[str], str], scheme: str
) -> None:
    source = axe_source(program("npm"))
    here = visit(scheme=scheme)
    # Only colours differ in the dark.
    rules = () if scheme == "light" else ("color-contrast",)
    for place in views(exhibits):
        page = here.open(place)
        if "entity" in place:
            verdict(page, "this entity")
        if place == "/docs":
            page.evaluate(
                "[...document.querySelectorAll('details')].slice(0, 4).forEach(each => { each.open = true; })"
            )
        assert barriers(page, source, *rules) == [], place
    here.open().click("#key-button")
    assert barriers(here.page, source, *rules) == []
    here.page.evaluate("""() => {
        document.querySelector("#key-dialog").close();
        document.querySelector("#tally").style.color = "#888";
        document.querySelector("#tally").style.background = "#777";
    }""")
    assert "color-contrast" in str(barriers(here.page, source, *rules))


def test_nothing_is_wider_than_a_phone(visit: Visiting, exhibits: Exhibits) -> None:
    here = visit(width=360)
    for place in views(exhibits):
        page = here.open(place)
        if page.locator(".toggle").is_visible():
            page.click(".toggle")
        if "entity" in place:
            verdict(page, "this entity")
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        assert here.overflow() <= 0, place
    page = here.open()
    assert not page.locator("#filter-form").is_visible()
    page.click(".toggle")
    page.click("[data-filter=realm] [data-value=event]")
    page.wait_for_function("() => location.hash === '#/?realm=event'")


def test_the_keyboard_alone_is_enough(visit: Visiting, shown: Gateway, exhibits: Exhibits) -> None:
    here = visit()
    page = here.open()
    keys = page.keyboard

    def tab_to(selector: str, most: int = 80, key: str = "Tab") -> None:
        for _ in range(most):
            keys.press(key)
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                assert page.evaluate(FOCUS_SHOWS), selector
                return
        pytest.fail(f"{selector} is not reached by Tab")

    tab_to("#skip", 1)
    tab_to("[data-filter=realm] [data-value=narrative]")
    keys.press("Space")
    expect_shown(here, found_by(shown, realm="narrative"))
    tab_to("#resonance-least")
    keys.press("End")
    keys.press("ArrowLeft")
    for _ in range(30):
        keys.press("ArrowLeft")
    expected = found_by(shown, realm="narrative", resonance=f"{page.input_value('#resonance-from')}..")
    expect_shown(here, expected)
    assert exhibits.hero in expected
    tab_to("[data-view=plot]")
    keys.press("Enter")
    page.wait_for_selector(".mark")
    tab_to(".mark")
    for _ in range(len(expected) * 2):
        if page.evaluate("document.activeElement.dataset.address") == exhibits.hero:
            break
        keys.press("ArrowDown")
    expect(page.locator("#point")).to_contain_text("hero/ada")
    keys.press("Tab")
    assert page.evaluate("document.activeElement.closest('.stage')") is None
    keys.press("Shift+Tab")
    keys.press("Enter")
    expect(page.locator("h1")).to_have_text("hero/ada")
    tab_to(".verify", 10)
    keys.press("Enter")
    expect(page.locator(".title .outcome")).to_have_attribute("data-verdict", "good")
    tab_to(".back a", 10, "Shift+Tab")
    keys.press("Enter")
    expect_shown(here, expected)


# The interface's own page


def test_the_docs_show_every_route(visit: Visiting, shown: Gateway) -> None:
    api = httpx.get(f"{shown.url}/openapi.json", timeout=60).json()
    operations = {
        said["operationId"]: (method, path, said)
        for path, methods in api["paths"].items() for method, said in methods.items() if method != "head"
    }  # fmt: skip
    here = visit()
    page = here.open("/docs")
    ids = page.eval_on_selector_all(".operation:not([id^=schema])", "all => all.map(each => each.id)")
    assert sorted(ids) == sorted(operations)
    told = json.loads(page.evaluate(
        "JSON.stringify([...document.querySelectorAll('.operation')].map(each => [each.id, each.textContent]))"
    ))  # fmt: skip
    for id, text in told:
        if id in operations:
            method, path, said = operations[id]
            assert text.startswith(f"{method.upper()}{path}{said['summary']}{said['x-scope']}")
            assert all(each["name"] in text for each in said["parameters"])
            assert f'"{shown.url}' in text
    page.fill("#filter", "admin post")
    expect(page.locator(".operation:visible")).to_have_count(
        sum(method == "post" and said["x-scope"] == "admin" for method, _, said in operations.values())
    )
    page = here.open("/docs#get_entities")
    expect(page.locator("#get_entities")).to_have_attribute("open", "")
