"""Publish the new state of the mirror in one atomic step, if it differs from the current one.

In: the poll, what was fetched, the plans and the receipts of their batches. Out: a generation,
its view, and the number of the generation that is current now.
"""


localrules:
    publish_generation,


rule publish_generation:
    input:
        poll=RUN.poll,
        fetched=fetch_receipts,
        settling=rules.settle_observations.output.settling,
        references=rules.sync_references.output.references,
        plans=plans_below,
        calibrated=receipts_below,
    output:
        published=RUN.published,
    log:
        f"{SESSION.logs}/publish_generation.log",
    retries: 0
    conda:
        "../envs/jwmirror.yaml"
    params:
        mirror=mirror,
        run=run,
        group=CONFIG.group,
        latency_s=latency,
        config=canonical(CONFIG.recorded),
        recipes=canonical(CONFIG.recipes),
        places=canonical(CONFIG.places),
        parameters=canonical(CONFIG.parameter_places),
        policy={
            "holding": [
                recipe.name for recipe in CONFIG.recipes if recipe.publish == "hold"
            ],
            "thresholds": str(CONFIG.thresholds or ""),
            "contexts": {
                recipe.name: recipe.context
                for recipe in CONFIG.recipes
                if recipe.context
            },
        },
    message:
        "Publishing"
    script:
        "../scripts/publish_generation.py"
