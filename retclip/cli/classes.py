"""The commands of `retclip class`, and `retclip class list`."""

from __future__ import annotations

import typer

from retclip.cli import options, output
from retclip.cli.class_add import add
from retclip.cli.class_exchange import export, import_classes

app = typer.Typer(help="The classes of a store.", no_args_is_help=True)
app.command("add")(add)
app.command("export")(export)
app.command("import")(import_classes)


@app.command("list")
@options.spread
def list_classes(at: options.Catalog) -> None:
    """The store's classes with how many segments and images stand behind each."""
    with options.catalog(at) as memory:
        classes = memory.classes.list()
    if at.json:
        output.data([vars(store_class) for store_class in classes])
        return
    kinds = {True: "thing", False: "stuff", None: ""}
    against = ("negative",) if any(store_class.negatives for store_class in classes) else ()
    columns = ("class", "kind", "segments", "images", *against, "aliases")
    rows = [
        (
            store_class.name,
            kinds[store_class.is_thing],
            store_class.segments,
            store_class.images,
            *((store_class.negatives,) if against else ()),
            ", ".join(store_class.aliases),
        )
        for store_class in classes
    ]
    output.table(f"classes of {at.store}", columns, rows)
