"""Plan the recalibration: exposures first; associations when their members are done.

In: what is held, the recipes, the references. Out: two plans, each with the batches that are out
of date and why, what is already there, and what waits. Inputs enter a key by content, so a level
is planned when the one below it is done.
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
        exposures=rules.plan_exposures.output.plan,
        calibrated=exposure_receipts,
    output:
        plan=f"{RUN}/plan-associations.json",
    log:
        f"{LOGS}/plan_associations.log",
    conda:
        "../envs/jwmirror.yaml"
    params:
        mirror=mirror,
        cache=str(CONFIG.cache),
        recipes=canonical(CONFIG.recipes),
        batch=CONFIG.batch,
    message:
        "Planning the recalibration of associations"
    script:
        "../scripts/plan_associations.py"
