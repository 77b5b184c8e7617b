"""Plan the recalibration, level by level: exposures, associations of stage 2, then of stage 3;
with grism exposures then their stage 2, after stage 3 of the direct images, and their stage 3.

In: the upstream files, the recipes, the references. Out: a plan per level, with the batches that
are out of date and why, the results that exist, and what waits. Keys depend on the content of
inputs, so a level is planned when the one below it is done. Where that has nothing to compute, the
next level is planned in the same process, and its plan is left in `ahead`.
"""


localrules:
    plan_recalibration,


checkpoint plan_recalibration:
    input:
        poll=RUN.poll,
        fetched=fetch_receipts,
        settling=rules.settle_observations.output.settling,
        references=rules.sync_references.output.references,
        below=plans_below,
        ahead=ahead_of_below,
        calibrated=receipts_below,
    output:
        plan=RUN.plan("{level}"),
        ahead=RUN.ahead("{level}"),
    log:
        f"{SESSION.logs}/plan_recalibration/{{level}}.log",
    retries: 0
    conda:
        "../envs/jwmirror.yaml"
    params:
        mirror=mirror,
        run=run,
        cache=str(CONFIG.cache),
        recipes=canonical(CONFIG.recipes),
        selections=canonical(CONFIG.criteria),
        limits=canonical(CONFIG.jobs),
        bounds=lambda wildcards: {
            "max_results": CONFIG.max_results,
            "latency_s": latency(wildcards),
        },
        content=lambda wildcards: level_in_words(wildcards.level),
    message:
        "Planning the recalibration of {params.content}"
    script:
        "../scripts/plan_recalibration.py"
