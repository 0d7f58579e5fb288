//! What every list of faults has: a name for each, and a sentence that says what it does.

/// Makes an enum of faults, each with its sentence, its name and its variant.
macro_rules! faults {
    (
        $(#[doc = $about:literal])+ $list:ident:
        $( $(#[doc = $doc:literal])+ $name:literal $variant:ident, )+
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $list { $( $(#[doc = $doc])+ $variant, )+ }

        impl $list {
            /// Every fault there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name by which it is switched on.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it does, in a sentence.
            #[must_use]
            pub fn does(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }

        impl ::std::fmt::Display for $list {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl ::std::str::FromStr for $list {
            type Err = $crate::error::Error;

            fn from_str(name: &str) -> Result<Self, $crate::error::Error> {
                let found = Self::ALL.iter().find(|fault| fault.name() == name);
                found.copied().ok_or_else(|| $crate::error::Error::unknown("fault", name))
            }
        }

        impl ::serde::Serialize for $list {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }
    };
}

pub(crate) use faults;
