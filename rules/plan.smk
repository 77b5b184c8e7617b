"""Plan the recalibration, level by level: exposures, associations of stage 2, then of stage 3.

In: what is held, the recipes, the references. Out: a plan per level, with the batches that are
out of date and why, what is already there, and what waits. Inputs enter a key by content, so a
level is planned when the one below it is done; where that has nothing to compute, its plan goes
on to the next one at once and leaves it in `ahead`.
"""


localrules:
    plan_exposures,
    plan_associations,


checkpoint plan_exposures:
    input:
        poll=f"{RUN}/changes.json",
        fetched=fetch_receipts,
        settling=rules.settle_observations.output.settling,
        references=rules.sync_references.output.references,
    output:
        plan=f"{RUN}/plan-exposures.json",
        ahead=f"{RUN}/ahead-exposures.json",
    log:
        f"{LOGS}/plan_exposures.log",
    conda:
        "../envs/jwmirror.yaml"
    params:
        mirror=mirror,
        cache=str(CONFIG.cache),
        recipes=canonical(CONFIG.recipes),
        batch=CONFIG.batch,
    message:
        "Planning the recalibration of exposures"
    script:
        "../scripts/plan_exposures.py"


checkpoint plan_associations:
    input:
        poll=f"{RUN}/changes.json",
        fetched=fetch_receipts,
        settling=rules.settle_observations.output.settling,
        references=rules.sync_references.output.references,
        below=plans_below,
        ahead=ahead_of_below,
        calibrated=receipts_below,
    output:
        plan=f"{RUN}/plan-associations-{{stage}}.json",
        ahead=f"{RUN}/ahead-associations-{{stage}}.json",
    log:
        f"{LOGS}/plan_associations-{{stage}}.log",
    conda:
        "../envs/jwmirror.yaml"
    params:
        mirror=mirror,
        cache=str(CONFIG.cache),
        recipes=canonical(CONFIG.recipes),
        batch=CONFIG.batch,
    message:
        "Planning the recalibration of associations of stage {wildcards.stage}"
    script:
        "../scripts/plan_associations.py"
