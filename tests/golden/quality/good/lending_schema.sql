-- Lending desk of a small library (PostgreSQL).
--
-- A title is what readers search for, a copy is what they carry home. A loan
-- is open until it has a return time; the partial unique index makes sure that
-- a copy is never out twice.

BEGIN;

CREATE TABLE title (
    title_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    isbn       text UNIQUE CHECK (isbn ~ '^[0-9]{9}[0-9X]$|^[0-9]{13}$'),
    name       text NOT NULL,
    published  smallint
);

CREATE TABLE copy (
    copy_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title_id   bigint NOT NULL REFERENCES title (title_id),
    shelf      text NOT NULL,
    withdrawn  boolean NOT NULL DEFAULT false
);

CREATE INDEX copy_title_idx ON copy (title_id);

CREATE TABLE reader (
    reader_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    card_no    text NOT NULL UNIQUE,
    max_loans  smallint NOT NULL DEFAULT 6 CHECK (max_loans >= 0)
);

CREATE TABLE loan (
    loan_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    copy_id      bigint NOT NULL REFERENCES copy (copy_id),
    reader_id    bigint NOT NULL REFERENCES reader (reader_id),
    lent_at      timestamptz NOT NULL DEFAULT now(),
    due_on       date NOT NULL,
    returned_at  timestamptz,
    CHECK (returned_at IS NULL OR returned_at >= lent_at)
);

CREATE UNIQUE INDEX loan_one_open_per_copy ON loan (copy_id) WHERE returned_at IS NULL;
CREATE INDEX loan_reader_idx ON loan (reader_id) WHERE returned_at IS NULL;

CREATE VIEW open_loan AS
SELECT loan.loan_id,
       loan.copy_id,
       loan.reader_id,
       loan.due_on,
       greatest(current_date - loan.due_on, 0) AS days_overdue
  FROM loan
 WHERE loan.returned_at IS NULL;

CREATE VIEW availability AS
SELECT title.title_id,
       title.name,
       count(copy.copy_id) AS copies,
       count(copy.copy_id) FILTER (WHERE open_loan.loan_id IS NULL) AS on_shelf,
       min(open_loan.due_on) AS next_due_on
  FROM title
  LEFT JOIN copy ON copy.title_id = title.title_id AND NOT copy.withdrawn
  LEFT JOIN open_loan ON open_loan.copy_id = copy.copy_id
 GROUP BY title.title_id, title.name;

-- Lends a copy and returns the due date. The reader row is locked first, so
-- two desks serving the same reader cannot both pass the limit check.
CREATE FUNCTION lend(p_copy_id bigint, p_card_no text, p_days integer DEFAULT 21)
RETURNS date
LANGUAGE plpgsql
AS $$
DECLARE
    v_reader  reader;
    v_open    integer;
    v_due_on  date := current_date + p_days;
BEGIN
    SELECT * INTO v_reader FROM reader WHERE card_no = p_card_no FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'unknown card %', p_card_no;
    END IF;

    SELECT count(*) INTO v_open FROM open_loan WHERE reader_id = v_reader.reader_id;
    IF v_open >= v_reader.max_loans THEN
        RAISE EXCEPTION 'card % already has % open loans', p_card_no, v_open;
    END IF;

    INSERT INTO loan (copy_id, reader_id, due_on)
    VALUES (p_copy_id, v_reader.reader_id, v_due_on);
    RETURN v_due_on;
EXCEPTION
    WHEN unique_violation THEN
        RAISE EXCEPTION 'copy % is already on loan', p_copy_id;
END;
$$;

CREATE FUNCTION take_back(p_copy_id bigint)
RETURNS integer
LANGUAGE sql
AS $$
    UPDATE loan
       SET returned_at = now()
     WHERE copy_id = p_copy_id
       AND returned_at IS NULL
 RETURNING greatest(current_date - due_on, 0);
$$;

COMMIT;
