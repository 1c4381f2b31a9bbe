"""Sealed builds, and which columns each build has."""

import sqlalchemy as sa
from alembic import context, op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make both tables."""
    schema = context.config.attributes["schema"]
    op.create_table(
        "builds",
        sa.Column("build", sa.Text(), nullable=False),
        sa.Column("manifest", sa.JSON(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("build"),
        schema=schema,
    )
    op.create_table(
        "build_tables",
        sa.Column("build", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("columns", sa.ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("build", "table_name"),
        schema=schema,
    )
