"""Resolve the CRDS context once, and sync the references that the recipes need.

In: the upstream files. Out: the verified reference cache, complete for use without network, and a
receipt with the context and the sha1 of each file. One serial job, because CRDS caches allow only
one writer.
"""


localrules:
    sync_references,


rule sync_references:
    input:
        poll=RUN.poll,
        fetched=fetch_receipts,
        settling=rules.settle_observations.output.settling,
    output:
        references=RUN.references,
    log:
        f"{SESSION.logs}/sync_references.log",
    retries: 0
    conda:
        "../envs/jwmirror.yaml"
    params:
        mirror=mirror,
        run=run,
        url=CONFIG.references.url,
        policy=canonical(CONFIG.references),
        recipes=canonical(CONFIG.recipes),
    message:
        "Syncing references from {params.url}"
    script:
        "../scripts/sync_references.py"
