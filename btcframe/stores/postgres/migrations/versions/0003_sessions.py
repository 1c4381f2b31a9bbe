"""What a session predicted, which model it was, what funding it paid, why it stopped; and what is new of intents, orders and equity."""

import sqlalchemy as sa
from alembic import context, op

revision = "0003"
down_revision = "0002"

TEXT, INT = sa.Text(), sa.BigInteger()
NUMBER: sa.Double[float] = sa.Double()

TABLES = (
    ("predictions", "row_ns", (
        ("symbol", TEXT), ("row_ns", INT), ("horizon_ns", INT), ("mean", NUMBER), ("p_up", NUMBER),
        ("low", NUMBER), ("high", NUMBER), ("model", INT),
    )),
    ("promotions", "ns", (
        ("symbol", TEXT), ("row_ns", INT), ("ns", INT), ("model", INT), ("digest", TEXT), ("build", TEXT),
        ("name", TEXT),
    )),
    ("funding", "ns", (
        ("symbol", TEXT), ("ns", INT), ("venue_ns", INT), ("rate", NUMBER), ("position_lots", INT),
        ("position", NUMBER), ("amount", NUMBER),
    )),
    ("stops", "ns", (
        ("symbol", TEXT), ("ns", INT), ("row_ns", INT), ("state", TEXT), ("code", TEXT), ("why", TEXT),
    )),
)  # fmt: skip
"""Name, the column in ns that tells the time, and the columns after the key."""

COLUMNS = {
    "intents": (("cut", TEXT), ("bid", NUMBER), ("ask", NUMBER)),
    "orders": (("why", TEXT),),
    "equity": (("funding", NUMBER), ("quality", NUMBER), ("regime", INT), ("trader_state", TEXT)),
}
"""New columns by table; null in the rows that are there."""


def upgrade() -> None:
    """Make the tables and the columns. `time` is the stamp to the microsecond, as SQL users and Grafana want it."""
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
    for table, new in COLUMNS.items():
        for name, kind in new:
            op.add_column(table, sa.Column(name, kind), schema=schema)
