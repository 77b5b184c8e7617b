"""Write the site, then end the run: with an error if anything failed, after all else is done.

In: the published state and the records of the run. Out: the pages in site/ (and
site-exclusive/), and the run's conclusion.
"""


localrules:
    write_site,
    conclude_run,


rule write_site:
    input:
        published=rules.publish_generation.output.published,
    output:
        receipt=RUN.site,
    log:
        f"{SESSION.logs}/write_site.log",
    retries: 0
    conda:
        "../envs/jwmirror.yaml"
    params:
        mirror=mirror,
        group=CONFIG.group,
        pictures_s=CONFIG.pictures_s,
    message:
        "Writing the site"
    script:
        "../scripts/write_site.py"


rule conclude_run:
    input:
        site=rules.write_site.output.receipt,
        published=rules.publish_generation.output.published,
        fetched=fetch_receipts,
        plans=plans_below,
        calibrated=receipts_below,
    output:
        conclusion=RUN.conclusion,
    log:
        f"{SESSION.logs}/conclude_run.log",
    retries: 0
    conda:
        "../envs/jwmirror.yaml"
    params:
        mirror=mirror,
        run=run,
        strict=CONFIG.strict,
        conditions=conditions,
    message:
        "Concluding"
    script:
        "../scripts/conclude_run.py"
