//! Where in an input the value stands that cannot be read.
//!
//! serde_path_to_error follows every value, which for the millions of numbers that a witness consists of takes as
//! long as a third of their parsing. So the fields of the outermost object are followed one by one, the witness only
//! by its name.

use serde::de::value::StringDeserializer;
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_path_to_error::Track;
use std::fmt;

const NOT_FOLLOWED: &str = "execution_witness";

/// Deserializes an object; `place` is told where it failed ("blocks[0]: "), and is left alone where that is nowhere.
pub struct Fields<'p, T> {
    pub inner: T,
    pub place: &'p mut String,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Fields<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(Fields { inner: visitor, place: self.place })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Fields<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Followed { map, name: String::new(), place: self.place })
    }
}

struct Followed<'p, A> {
    map: A,
    name: String,
    place: &'p mut String,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Followed<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let Some(name) = self.map.next_key::<String>()? else { return Ok(None) };

        self.name.clone_from(&name);
        let key: StringDeserializer<A::Error> = name.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        if self.name == NOT_FOLLOWED {
            let value = self.map.next_value_seed(seed);

            if value.is_err() {
                *self.place = format!("{NOT_FOLLOWED}: ");
            }
            return value;
        }
        let mut track = Track::new();
        let value = self.map.next_value_seed(Tracked { seed, track: &mut track });

        if value.is_err() {
            let path = track.path().to_string();
            let between = if path.starts_with('[') { "" } else { "." };
            *self.place =
                if path == "." { format!("{}: ", self.name) } else { format!("{}{between}{path}: ", self.name) };
        }
        value
    }
}

struct Tracked<'t, S> {
    seed: S,
    track: &'t mut Track,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Tracked<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.seed.deserialize(serde_path_to_error::Deserializer::new(inner, self.track))
    }
}
