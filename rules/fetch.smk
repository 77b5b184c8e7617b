"""Fetch what is new or was reprocessed, one job per observation.

In: the orders. Out: the bytes in the store, whole and verified, and a receipt per order that
says which object each product became and what failed.
"""


localrules:
    fetch_products,


rule fetch_products:
    input:
        orders=ancient(RUN.orders),
    output:
        receipt=RUN.fetched("{order}"),
    log:
        f"{SESSION.logs}/fetch_products/{{order}}.log",
    retries: 0
    conda:
        "../envs/jwmirror.yaml"
    resources:
        archive=1,
    params:
        mirror=mirror,
        run=run,
        url=CONFIG.archive_url,
        cloud_url=CONFIG.cloud_url,
        token_socket=SESSION.token_socket,
        token_variable=CONFIG.token_variable,
        downloads=CONFIG.downloads,
        group=CONFIG.group,
        accept_refused=canonical(CONFIG.accept_refused),
        content=lambda wildcards: wildcards.order.partition(".")[0],
    message:
        "Fetching products of {params.content}"
    script:
        "../scripts/fetch_products.py"
