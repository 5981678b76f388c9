#!/usr/bin/env node
'use strict';

// Select columns of a CSV file by header name.
//
//   csv-cut.js name,price < products.csv > slim.csv

const { Transform, pipeline } = require('node:stream');

/** Splits incoming text into rows, honouring quotes across chunk boundaries. */
class CsvRows extends Transform {
  constructor() {
    super({ readableObjectMode: true, decodeStrings: false });
    this.row = [];
    this.field = '';
    this.quoted = false;
    this.pendingQuote = false;
  }

  _transform(chunk, _encoding, done) {
    for (const char of chunk) {
      this.consume(char);
    }
    done();
  }

  _flush(done) {
    if (this.quoted && !this.pendingQuote) {
      done(new Error('unterminated quoted field at end of input'));
      return;
    }
    if (this.field !== '' || this.row.length > 0) {
      this.endRow();
    }
    done();
  }

  consume(char) {
    if (this.quoted) {
      this.consumeQuoted(char);
    } else if (char === '"' && this.field === '') {
      this.quoted = true;
    } else if (char === ',') {
      this.endField();
    } else if (char === '\n') {
      this.endRow();
    } else if (char !== '\r') {
      this.field += char;
    }
  }

  consumeQuoted(char) {
    if (this.pendingQuote) {
      this.pendingQuote = false;
      if (char === '"') {
        this.field += '"';
        return;
      }
      this.quoted = false;
      this.consume(char);
    } else if (char === '"') {
      this.pendingQuote = true;
    } else {
      this.field += char;
    }
  }

  endField() {
    this.row.push(this.field);
    this.field = '';
    this.quoted = false;
    this.pendingQuote = false;
  }

  endRow() {
    this.endField();
    this.push(this.row);
    this.row = [];
  }
}

/** Treats the first row as the header and keeps only the wanted columns. */
class ColumnFilter extends Transform {
  constructor(wanted) {
    super({ writableObjectMode: true });
    this.wanted = wanted;
    this.indexes = null;
  }

  _transform(row, _encoding, done) {
    try {
      this.indexes ??= this.locate(row);
      const cells = this.indexes.map((index) => row[index] ?? '');
      done(null, `${cells.map(quoteIfNeeded).join(',')}\n`);
    } catch (error) {
      done(error);
    }
  }

  locate(header) {
    return this.wanted.map((name) => {
      const index = header.indexOf(name);
      if (index === -1) {
        throw new Error(`no column "${name}"; the file has: ${header.join(', ')}`);
      }
      return index;
    });
  }
}

function quoteIfNeeded(cell) {
  return /[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

function main([columns]) {
  if (!columns) {
    console.error('usage: csv-cut.js COLUMN[,COLUMN...] < input.csv');
    process.exitCode = 2;
    return;
  }
  process.stdin.setEncoding('utf8');
  pipeline(
    process.stdin,
    new CsvRows(),
    new ColumnFilter(columns.split(',')),
    process.stdout,
    (error) => {
      if (error && error.code !== 'EPIPE') {
        console.error(`csv-cut: ${error.message}`);
        process.exitCode = 1;
      }
    },
  );
}

if (require.main === module) {
  main(process.argv.slice(2));
}

module.exports = { CsvRows, ColumnFilter };
