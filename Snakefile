"""jwmirror: a local, versioned mirror of JWST programs, recalibrated with your parameters.

The rules are included in the order in which a run needs them; docs/architecture.md has a picture.
"""

from snakemake.utils import min_version

min_version("9.0")


include: "rules/session.smk"
include: "rules/common.smk"
include: "rules/query.smk"
include: "rules/fetch.smk"
include: "rules/settle.smk"
include: "rules/references.smk"
include: "rules/plan.smk"
include: "rules/calibrate.smk"
include: "rules/publish.smk"
include: "rules/site.smk"


localrules:
    all,


rule all:
    default_target: True
    input:
        end_of_run,
