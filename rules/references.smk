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
        url=CONFIG.references_url,
        context=CONFIG.context,
        on_new_context=CONFIG.on_new_context,
        gaia_url=CONFIG.gaia_url,
        gaia_refresh=CONFIG.gaia_refresh,
        cache=str(CONFIG.cache),
        recipes=canonical(CONFIG.recipes),
    message:
        "Syncing references from {params.url}"
    script:
        "../scripts/sync_references.py"
