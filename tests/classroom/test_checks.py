"""Each check: blank answers fail, right ones pass, and wrong ones fail for the reason they have."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell

from earlyglow_book.classroom.checking import Exercise, WrongAnswerError, judge
from earlyglow_book.classroom.checks import all_exercises, check
from earlyglow_book.classroom.pages import Cell, page_files, read_cells

EXERCISES = all_exercises()
PAGES = {path.stem: read_cells(path.read_text()) for path in page_files()}
WITH_CHECK = [
    (page, number)
    for page, cells in PAGES.items()
    for number, cell in enumerate(cells)
    if "check" in cell.tags
]


def _imports(cells: list[Cell]) -> str:
    return next(cell.source for cell in cells if cell.kind == "code")


def _defined(page: str, source: str, name: str) -> Callable[..., object]:
    space: dict[str, object] = {}
    exec(_imports(PAGES[page]), space)  # noqa: S102
    exec(source, space)  # noqa: S102
    answer = space[name]
    assert callable(answer)
    return answer


def _named(page: str, number: int) -> tuple[str, str, str]:
    """The exercise's name, its blank and its solution."""
    cells = PAGES[page]
    name = cells[number].source.removeprefix("check(").removesuffix(")")
    blank, solution = cells[number - 1], cells[number + 1]
    assert "blank" in blank.tags
    assert "solution" in solution.tags
    return name, blank.source, solution.source


def test_every_exercise_is_asked_once() -> None:
    assert sorted(_named(*place)[0] for place in WITH_CHECK) == sorted(EXERCISES)


@pytest.mark.parametrize(("page", "number"), WITH_CHECK)
def test_before_it_fails_and_after_it_passes(
    page: str, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    name, blank, solution = _named(page, number)
    with pytest.raises(WrongAnswerError, match=r"returns nothing|changes what it was given"):
        check(_defined(page, blank, name))
    check(_defined(page, solution, name))
    assert f"{name} is right" in capsys.readouterr().out


@pytest.mark.parametrize("name", EXERCISES)
def test_two_typical_wrong_answers_fail_for_their_reasons(name: str) -> None:
    exercise = EXERCISES[name]
    assert len(exercise.mistakes) >= 2
    for reason, mistake in exercise.mistakes.items():
        with pytest.raises(WrongAnswerError) as caught:
            judge(exercise, mistake)
        assert str(caught.value) == reason


@pytest.mark.parametrize("name", EXERCISES)
def test_an_unforeseen_wrong_answer_is_shown_beside_the_right_one(name: str) -> None:
    exercise = EXERCISES[name]

    def strange(*arguments: object) -> object:
        value = exercise.truth(*arguments)
        return tuple(v + 17.0 for v in value) if isinstance(value, tuple) else value + 17.0

    with pytest.raises(WrongAnswerError, match=r"strange\(.*\) is .*, but it should be"):
        judge(exercise, strange)


DOUBLE = Exercise(
    truth=lambda x: 2 * x, cases=lambda: [(np.ones(3),), (np.arange(3.0),)], mistakes={}
)


def _wrong_in_one_place(x: np.ndarray) -> np.ndarray:
    value = 2 * x
    value[1, 2] = -7
    return value


def test_the_first_wrong_place_of_a_large_result_is_named() -> None:
    """Two arrays of the same shape would read alike: "of shape (2, 9), but (2, 9)"."""
    exercise = Exercise(
        truth=lambda x: 2 * x, cases=lambda: [(np.arange(18.0).reshape(2, 9),)], mistakes={}
    )
    with pytest.raises(
        WrongAnswerError, match=r"is -7 at place \(1, 2\), but it should be 22 there"
    ):
        judge(exercise, _wrong_in_one_place)


def _fails(x: np.ndarray) -> np.ndarray:
    return x[5]


def _changes(x: np.ndarray) -> np.ndarray:
    x *= 2
    return x


def _sums(x: np.ndarray) -> float:
    return float(2 * x.sum())


def _says(x: np.ndarray) -> str:
    return "two"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (_fails, "raised IndexError"),
        (_changes, "_changes changes what it was given"),
        (_sums, r"has shape \[\(\)\], but \[\(3,\)\] is asked for"),
        (_says, "the result is of type str, but a number"),
    ],
)
def test_what_is_no_answer_is_refused(answer: Callable[..., object], reason: str) -> None:
    with pytest.raises(WrongAnswerError, match=reason):
        judge(DOUBLE, answer)


def test_an_unknown_exercise_is_named() -> None:
    def actnorm_logdet() -> None:
        """Misspelt."""

    with pytest.raises(ValueError, match="Did you mean 'actnorm_log_det'"):
        check(actnorm_logdet)


def test_a_notebook_shows_the_reason_without_a_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shell = InteractiveShell()
    shell.run_cell(
        "from earlyglow_book.classroom.checks import check\ndef bits(log_prob, dims): ..."
    )
    shell.run_cell("check(bits)")
    shown = capsys.readouterr().out
    assert "Not yet: bits returns nothing" in shown
    assert "Traceback" not in shown
