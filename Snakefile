"""jwmirror: a local mirror of JWST programs that knows its own history, recalibrated your way.

The includes stand in the order in which a run flows; docs/architecture.md draws it.
"""

from snakemake.utils import min_version

min_version("9.0")

if (
    "programs" not in config
):  # --configfile replaces the shipped config, it is not laid over it

    configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/query.smk"
include: "rules/fetch.smk"
include: "rules/settle.smk"
include: "rules/references.smk"
include: "rules/plan.smk"
include: "rules/calibrate.smk"
include: "rules/publish.smk"
include: "rules/report.smk"


localrules:
    all,


rule all:
    default_target: True
    input:
        rules.conclude_run.output.conclusion,
