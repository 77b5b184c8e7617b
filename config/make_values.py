"""Write the values of criteria with which configs are checked where jwst is not installed."""

import json

from jwmirror.pipeline.parameters.vocabulary import CLOSED, RELEASE, allowed_values, suffixes


def text() -> str:
    """Return the values that the installed jwst and stdatamodels know, as JSON, a key a line."""
    values = {key: allowed_values(key) for key in CLOSED} | {"suffix": suffixes()}
    lines = (f"{json.dumps(key)}: {json.dumps(known)}" for key, known in values.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    RELEASE.write_text(text())
