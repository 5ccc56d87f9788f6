-- What runs cost, in US dollars; NULL where it is not known.
ALTER TABLE token_totals ADD COLUMN cost_usd DOUBLE PRECISION;
ALTER TABLE last_usages ADD COLUMN cost_usd DOUBLE PRECISION;
