//! Valid values at random, with the edges of each range among them.

use serde_json::{Value, json};

/// xorshift: the same values for the same seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, n: u64) -> u64 {
        (self.word() >> 11) % n
    }

    pub fn id(&mut self) -> u64 {
        match self.below(5) {
            0 => 0,
            1 => u64::MAX,
            2 => 1 << 53 | 1, // what a double cannot hold
            _ => self.word() >> self.below(64),
        }
    }

    pub fn bytes(&mut self) -> Vec<u8> {
        let longest = [1, 66, 300, 5001][self.below(4) as usize];
        (0..self.below(longest)).map(|_| self.word() as u8).collect()
    }

    pub fn commit_hash(&mut self) -> String {
        (0..7 + self.below(34)).map(|_| char::from_digit(self.below(16) as u32, 16).unwrap_or('0')).collect()
    }

    /// Something in the place of an input: what carries it does not look into it.
    pub fn value(&mut self, depth: u32) -> Value {
        match self.below(if depth < 5 { 7 } else { 5 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(self.id()),
            3 => json!(-((self.word() >> 2) as i64)),
            4 => json!((0..self.below(12)).map(|_| self.character()).collect::<String>()),
            5 => (0..self.below(4)).map(|_| self.value(depth + 1)).collect(),
            _ => Value::Object(
                (0..self.below(4)).map(|i| (format!("{i}{}", self.character()), self.value(depth + 1))).collect(),
            ),
        }
    }

    fn character(&mut self) -> char {
        *['a', '"', '\\', '\n', '\u{0}', '\u{7f}', '/', 'é', '\u{2028}', '\u{ffff}', '😀', '{']
            .get(self.below(12) as usize)
            .unwrap_or(&'a')
    }
}
