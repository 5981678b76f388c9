use std::iter::FromIterator;
use std::ops::{BitAnd, BitOr, Sub};

const WORD_BITS: usize = u64::BITS as usize;

/// A growable set of small unsigned integers, one bit each.
#[derive(Clone, Debug, Default)]
pub struct BitSet {
    words: Vec<u64>,
}

impl BitSet {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `value` and returns whether it was absent before.
    pub fn insert(&mut self, value: usize) -> bool {
        let (word, mask) = locate(value);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let absent = self.words[word] & mask == 0;
        self.words[word] |= mask;
        absent
    }

    /// Removes `value` and returns whether it was present.
    pub fn remove(&mut self, value: usize) -> bool {
        let (word, mask) = locate(value);
        match self.words.get_mut(word) {
            Some(bits) if *bits & mask != 0 => {
                *bits &= !mask;
                true
            }
            _ => false,
        }
    }

    pub fn contains(&self, value: usize) -> bool {
        let (word, mask) = locate(value);
        self.words.get(word).is_some_and(|bits| bits & mask != 0)
    }

    pub fn len(&self) -> usize {
        self.words.iter().map(|bits| bits.count_ones() as usize).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&bits| bits == 0)
    }

    pub fn is_subset(&self, other: &BitSet) -> bool {
        (self - other).is_empty()
    }

    /// Iterates in ascending order.
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            words: &self.words,
            index: 0,
            pending: self.words.first().copied().unwrap_or(0),
        }
    }
}

fn locate(value: usize) -> (usize, u64) {
    (value / WORD_BITS, 1 << (value % WORD_BITS))
}

pub struct Iter<'a> {
    words: &'a [u64],
    index: usize,
    pending: u64,
}

impl Iterator for Iter<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while self.pending == 0 {
            self.index += 1;
            self.pending = *self.words.get(self.index)?;
        }
        let bit = self.pending.trailing_zeros() as usize;
        self.pending &= self.pending - 1;
        Some(self.index * WORD_BITS + bit)
    }
}

impl<'a> IntoIterator for &'a BitSet {
    type Item = usize;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl FromIterator<usize> for BitSet {
    fn from_iter<I: IntoIterator<Item = usize>>(values: I) -> Self {
        let mut set = BitSet::new();
        for value in values {
            set.insert(value);
        }
        set
    }
}

/// Trailing zero words do not affect equality.
impl PartialEq for BitSet {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for BitSet {}

impl BitAnd for &BitSet {
    type Output = BitSet;

    fn bitand(self, other: &BitSet) -> BitSet {
        let words = self.words.iter().zip(&other.words).map(|(a, b)| a & b);
        BitSet { words: words.collect() }
    }
}

impl BitOr for &BitSet {
    type Output = BitSet;

    fn bitor(self, other: &BitSet) -> BitSet {
        let (longer, shorter) = if self.words.len() >= other.words.len() {
            (self, other)
        } else {
            (other, self)
        };
        let mut union = longer.clone();
        for (word, extra) in union.words.iter_mut().zip(&shorter.words) {
            *word |= extra;
        }
        union
    }
}

impl Sub for &BitSet {
    type Output = BitSet;

    fn sub(self, other: &BitSet) -> BitSet {
        let mut difference = self.clone();
        for (word, removed) in difference.words.iter_mut().zip(&other.words) {
            *word &= !removed;
        }
        difference
    }
}
