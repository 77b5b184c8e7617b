"""Resolve the CRDS context once, and sync the references that the recipes need.

In: what is held of upstream. Out: the verified reference cache, complete for use without
network, and a receipt with the context and the sha1 of each file. One serial job: CRDS caches
do not bear two writers.
"""


localrules:
    sync_references,


rule sync_references:
    input:
        poll=f"{RUN}/changes.json",
        fetched=fetch_receipts,
        settling=rules.settle_observations.output.settling,
    output:
        references=f"{RUN}/references.json",
    log:
        f"{LOGS}/sync_references.log",
    conda:
        "../envs/jwmirror.yaml"
    params:
        mirror=mirror,
        url=CONFIG.references_url,
        context=CONFIG.context,
        on_new_context=CONFIG.on_new_context,
        cache=str(CONFIG.cache),
        recipes=canonical(CONFIG.recipes),
    message:
        "Syncing references from {params.url}"
    script:
        "../scripts/sync_references.py"
