//! Macros that several layers use.

/// Defines the accessors of a field, by default `inner`, for the `impl` block of a service.
macro_rules! define_inner_service_accessors {
    () => {
        define_inner_service_accessors!(inner: S, "the inner service");
    };
    ($field:ident: $type:ty, $name:literal) => {
        #[doc = concat!("A reference to ", $name, ".")]
        pub fn get_ref(&self) -> &$type {
            &self.$field
        }

        #[doc = concat!("A mutable reference to ", $name, ".")]
        pub fn get_mut(&mut self) -> &mut $type {
            &mut self.$field
        }

        #[doc = concat!("Consumes this service and returns ", $name, ".")]
        pub fn into_inner(self) -> $type {
            self.$field
        }
    };
}
