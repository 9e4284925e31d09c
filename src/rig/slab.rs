//! Numbered places that are used again, each stay with a serial number of its own.

/// A place in a [`Slab`] during one stay: a later stay in the same place has another serial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    index: u32,
    serial: u32,
}

/// Things in numbered places.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    places: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    /// How many things are kept.
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(crate) fn insert(&mut self, thing: T) -> Place {
        if let Some(index) = self.free.pop() {
            let (serial, place) = &mut self.places[index as usize];
            *place = Some(thing);
            return Place { index, serial: *serial };
        }
        self.places.push((0, Some(thing)));
        Place { index: u32::try_from(self.places.len() - 1).expect("fewer than 2³² at once"), serial: 0 }
    }

    /// The thing, unless its stay is over.
    pub(crate) fn at(&mut self, place: Place) -> Option<&mut T> {
        let (serial, thing) = &mut self.places[place.index as usize];
        if *serial == place.serial { thing.as_mut() } else { None }
    }

    /// Ends the stay, unless it is over.
    pub(crate) fn take(&mut self, place: Place) -> Option<T> {
        let (serial, thing) = &mut self.places[place.index as usize];
        if *serial != place.serial {
            return None;
        }
        let taken = thing.take()?;
        *serial = serial.wrapping_add(1);
        self.free.push(place.index);
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_used_again_is_not_mistaken_for_its_former_holder() {
        let mut slab = Slab::new();
        let first = slab.insert('a');
        assert_eq!(slab.take(first), Some('a'));
        let second = slab.insert('b');
        assert_eq!(slab.at(first), None);
        assert_eq!(slab.take(first), None);
        assert_eq!(slab.at(second), Some(&mut 'b'));
        assert_eq!(slab.len(), 1);
    }
}
