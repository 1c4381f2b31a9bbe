"""What a store keeps of runs: the runs, their models, and what they decided, ordered, traded and were worth.

And how many rows each build has in each table, kept as they are written: to count them takes reading them all.
"""

import sqlalchemy as sa
from alembic import context, op

revision = "0002"
down_revision = "0001"

TEXT, INT, FLAG, JSON = sa.Text(), sa.BigInteger(), sa.Boolean(), sa.JSON()
NUMBER: sa.Double[float] = sa.Double()

TABLES = (
    ("runs", "started_ns", (
        ("symbol", TEXT), ("verb", TEXT), ("status", TEXT), ("started_ns", INT), ("finished_ns", INT),
        ("seed", INT), ("build", TEXT), ("config_hash", TEXT), ("version", TEXT), ("commit", TEXT),
        ("host", TEXT), ("directory", TEXT), ("verdict", TEXT), ("error", TEXT), ("manifest", JSON),
    )),
    ("models", "test_from_ns", (
        ("symbol", TEXT), ("plugin", TEXT), ("digest", TEXT), ("directory", TEXT), ("train_from_ns", INT),
        ("train_until_ns", INT), ("test_from_ns", INT), ("test_until_ns", INT), ("rows", INT),
        ("manifest", JSON),
    )),
    ("intents", "ns", (
        ("symbol", TEXT), ("ns", INT), ("row_ns", INT), ("order_id", INT), ("action", TEXT),
        ("side", TEXT), ("tif", TEXT), ("reduce_only", FLAG), ("model", INT), ("ticks", INT),
        ("lots", INT), ("sent_lots", INT), ("price", NUMBER), ("size", NUMBER), ("sent", NUMBER),
        ("reason", TEXT), ("veto", TEXT),
    )),
    ("orders", "ns", (
        ("symbol", TEXT), ("ns", INT), ("venue_ns", INT), ("row_ns", INT), ("order_id", INT),
        ("state", TEXT), ("side", TEXT), ("tif", TEXT), ("reduce_only", FLAG), ("model", INT),
        ("ticks", INT), ("lots", INT), ("filled_lots", INT), ("price", NUMBER), ("size", NUMBER),
        ("filled", NUMBER),
    )),
    ("fills", "ns", (
        ("symbol", TEXT), ("ns", INT), ("venue_ns", INT), ("order_id", INT), ("side", TEXT),
        ("maker", FLAG), ("ticks", INT), ("lots", INT), ("price", NUMBER), ("size", NUMBER),
        ("fee", NUMBER),
    )),
    ("equity", "row_ns", (
        ("symbol", TEXT), ("row_ns", INT), ("mid", NUMBER), ("position_lots", INT), ("position", NUMBER),
        ("cash", NUMBER), ("equity", NUMBER), ("fees", NUMBER),
    )),
)  # fmt: skip
"""Name, the column in ns that tells the time, and the columns after the key."""


def upgrade() -> None:
    """Make the tables. `time` is the stamp to the microsecond, as SQL users and Grafana want it."""
    schema = context.config.attributes["schema"]
    for table, stamp, columns in TABLES:
        seconds = f"to_timestamp(({stamp} / 1000)::double precision / 1000000)"
        op.create_table(
            table,
            sa.Column("run", sa.Text(), nullable=False),
            sa.Column("n", sa.BigInteger(), nullable=False),
            sa.Column(
                "time", sa.DateTime(timezone=True), sa.Computed(seconds, persisted=True), nullable=False
            ),
            *(sa.Column(name, kind) for name, kind in columns),
            sa.PrimaryKeyConstraint("run", "n"),
            schema=schema,
        )
        op.create_index(f"{table}_time", table, ["time"], schema=schema)
    _count_rows(schema)


def _count_rows(schema: str) -> None:
    op.add_column(
        "build_tables", sa.Column("rows", sa.BigInteger(), nullable=False, server_default="0"), schema=schema
    )
    noted = sa.table("build_tables", *map(sa.column, ("build", "table_name", "rows")), schema=schema)
    sealed = sa.table("builds", sa.column("build"), sa.column("manifest", sa.JSON), schema=schema)
    connection = op.get_bind()
    manifests = {row.build: row.manifest for row in connection.execute(sa.select(sealed))}
    for build, table in connection.execute(sa.select(noted.c.build, noted.c.table_name)).all():
        there = sa.table(table, sa.column("build"), schema=schema)
        counted = (
            sa.select(sa.func.count()).select_from(there).where(there.c.build == build).scalar_subquery()
        )
        rows = manifests.get(build, {}).get("tables", {}).get(table, counted)
        mine = (noted.c.build == build) & (noted.c.table_name == table)
        connection.execute(sa.update(noted).where(mine).values(rows=rows))
