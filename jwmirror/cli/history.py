"""`jwmirror log`: the generations."""

from jwmirror.cli.app import CONFIG, ConfigFile, Json, Mirror, app, mirror_of, tell, told
from jwmirror.report import console as pages
from jwmirror.report.history import history_of


@app.command()
def log(config: ConfigFile = CONFIG, mirror: Mirror = None, as_json: Json = False) -> None:
    """The generations, newest first: number, time, cause, and what changed."""
    from jwmirror.store.generations import Generations

    with told():
        root = mirror_of(mirror, config)
        generations = Generations(root)
        found = history_of(str(root), generations.current(), generations.all())
    tell(found, pages.log_page(found), as_json)
