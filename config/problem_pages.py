"""What the page of each type of problem says: its title, status, and the errors that lead to it."""

from collections import defaultdict
from itertools import chain

from config.problems import FRAMEWORK_PROBLEMS, INTERNAL, PROBLEMS, SCOPE_MISSING, Problem
from web.views.documents import ProblemType

# Types that no single error of ours stands for.
_MEANINGS = {
    SCOPE_MISSING.slug: "The token was made without the scope that this address needs.",
    INTERNAL.slug: "The server failed in a way that it has no type for. The error was logged; nothing of it is shown.",
    "not-found": "There is nothing at this address.",
    "invalid-input": "Parts of the input are not acceptable; `errors` points at each of them.",
}


def list_problem_types() -> dict[str, ProblemType]:
    """Return every type of problem by its slug.

    Our errors' docstrings are their messages, so they say what the type means; a framework's errors stay silent.
    """
    titles: dict[str, Problem] = {}
    meanings: dict[str, list[str]] = defaultdict(list)
    for error, problem in chain(PROBLEMS.items(), FRAMEWORK_PROBLEMS.items()):
        titles.setdefault(problem.slug, problem)
        if error in PROBLEMS and error.__doc__:
            meanings[problem.slug].append(" ".join(error.__doc__.split()))
    for problem in (SCOPE_MISSING, INTERNAL):
        titles[problem.slug] = problem
    for slug, meaning in _MEANINGS.items():
        meanings[slug].append(meaning)
    return {
        slug: ProblemType(status=problem.status, title=problem.title, meanings=tuple(meanings[slug]))
        for slug, problem in titles.items()
    }
