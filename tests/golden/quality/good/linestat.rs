//! Summarise line lengths: `linestat [--width N] [FILE...]`

use std::env;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::process::ExitCode;

const DEFAULT_WIDTH: usize = 80;

#[derive(Debug)]
struct Options {
    width: usize,
    files: Vec<String>,
}

#[derive(Debug, Default)]
struct Summary {
    lines: usize,
    blank: usize,
    characters: usize,
    longest: usize,
    over_width: usize,
}

impl Summary {
    fn add(&mut self, line: &str, width: usize) {
        let length = line.chars().count();
        self.lines += 1;
        self.characters += length;
        self.longest = self.longest.max(length);
        self.blank += usize::from(line.trim().is_empty());
        self.over_width += usize::from(length > width);
    }

    fn mean(&self) -> f64 {
        match self.lines {
            0 => 0.0,
            lines => self.characters as f64 / lines as f64,
        }
    }

    fn print(&self, name: &str) {
        println!(
            "{name}: {} lines ({} blank), mean {:.1}, longest {}, too long {}",
            self.lines,
            self.blank,
            self.mean(),
            self.longest,
            self.over_width,
        );
    }
}

fn parse_options(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        width: DEFAULT_WIDTH,
        files: Vec::new(),
    };
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--width" | "-w" => {
                let value = args.next().ok_or("--width needs a number")?;
                options.width = value
                    .parse()
                    .map_err(|_| format!("not a width: {value:?}"))?;
            }
            flag if flag.starts_with('-') && flag != "-" => {
                return Err(format!("unknown option {flag}"));
            }
            _ => options.files.push(arg),
        }
    }
    if options.files.is_empty() {
        options.files.push("-".to_owned());
    }
    Ok(options)
}

fn open(name: &str) -> io::Result<Box<dyn BufRead>> {
    Ok(match name {
        "-" => Box::new(io::stdin().lock()),
        path => Box::new(BufReader::new(File::open(path)?)),
    })
}

fn summarize(reader: impl BufRead, width: usize) -> io::Result<Summary> {
    let mut summary = Summary::default();
    for line in reader.lines() {
        summary.add(&line?, width);
    }
    Ok(summary)
}

fn main() -> ExitCode {
    let options = match parse_options(env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("linestat: {message}");
            return ExitCode::from(2);
        }
    };

    let mut exit = ExitCode::SUCCESS;
    for name in &options.files {
        match open(name).and_then(|reader| summarize(reader, options.width)) {
            Ok(summary) => summary.print(name),
            Err(error) => {
                eprintln!("linestat: {name}: {error}");
                exit = ExitCode::FAILURE;
            }
        }
    }
    exit
}
