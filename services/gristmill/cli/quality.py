"""`gristmill quality`: where the cut lies, what it takes and what it leaves."""

from typing import Annotated

import typer

from gristmill.cli.console import ERR, print_json

app = typer.Typer(
    help="Look at the scores, and make a cut.\n\nExample: gristmill quality calibrate corpus",
    no_args_is_help=True,
)

_Directory = Annotated[str, typer.Argument(metavar="DIR", help="The output of a run.")]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.callback()
def _group() -> None:
    """Look at the scores, and make a cut."""


@app.command("calibrate")
def calibrate(
    directory: _Directory,
    drop: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the documents to fall below.")
    ] = 0.10,
    by: Annotated[
        str | None, typer.Option(metavar="language", help="One threshold for each language.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The cut's name; default: cut-N.")] = None,
    scorer: Annotated[
        str | None, typer.Option(help="Whose scores; default: the scorer with most of them.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show it, write nothing.")] = False,
    as_json: _Json = False,
) -> None:
    """Propose a cut below which about a share of the documents lies, and write it down.

    No document is rewritten: readers evaluate the newest cut, or one that they name. Equal scores
    fall together, so that the share may differ from the one asked for. With --by language, a
    language with 100 documents and more gets a threshold of its own, all others share one.

    Example: gristmill quality calibrate corpus --drop 0.10 --by language
    """
    from gristmill.cli.quality_cut import (
        effect_of,
        next_name,
        propose,
        scores_of,
        show_effect,
    )
    from gristmill.cli.reading import open_tables
    from gristmill.runtime.adapters.cuts import add_cut

    if by not in (None, "language"):
        raise typer.BadParameter("thresholds can be made by language", param_hint="--by")
    tables = open_tables(directory)
    rows = scores_of(tables)
    cut = propose(
        rows,
        name=name or next_name(tables),
        scorer=scorer,
        drop=drop,
        by_language=by is not None,
    )
    effect = effect_of(cut, rows)
    if not dry_run:
        add_cut(tables, cut)
    if as_json:
        print_json({**effect.as_json(), "written": not dry_run})
        return
    show_effect(effect)
    ERR.print("nothing was written" if dry_run else f"{cut.name} is in the table of cuts")


@app.command("show")
def show(
    directory: _Directory,
    near_cut: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Show N documents just above and N just below."),
    ] = None,
    cut: Annotated[str | None, typer.Option(help="Which cut; default: the newest.")] = None,
    language: Annotated[str | None, typer.Option(metavar="NAME", help="Only this one.")] = None,
    as_json: _Json = False,
) -> None:
    """Show what a cut takes and leaves, or the documents nearest to it.

    Example: gristmill quality show corpus --near-cut 10
    """
    from gristmill.cli import quality_cut
    from gristmill.cli.reading import language_named, of_language, open_tables
    from gristmill.runtime.adapters.cuts import find_cut
    from gristmill.runtime.model.quality import SCORE_PARTS

    tables = open_tables(directory)
    chosen = find_cut(tables, cut)
    rows = quality_cut.scores_of(tables, "repository", "path", *SCORE_PARTS)
    if language is not None:
        language = language_named(language)
        rows = of_language(rows, language)
        if not rows.num_rows:
            ERR.print(f"no document in {language} was kept")
    if near_cut is None:
        effect = quality_cut.effect_of(chosen, rows)
        if as_json:
            print_json(effect.as_json())
        else:
            quality_cut.show_effect(effect)
        return
    below, above = quality_cut.near_cut(rows, chosen, near_cut)
    if as_json:
        print_json({"cut": chosen.name, "above": above, "below": below})
    else:
        quality_cut.show_near(chosen, below, above)
