//! The derive of `folio_shm::Shared`. Its rules stand there; use it by folio-shm's feature `derive`.

use proc_macro::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error};

/// Derives `folio_shm::Shared` for a structure of such, and refuses what must not be shared.
#[proc_macro_derive(Shared)]
pub fn shared(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

fn expand(input: &DeriveInput) -> Result<proc_macro2::TokenStream, Error> {
    let name = &input.ident;
    let Data::Struct(data) = &input.data else {
        let reason = "only structures can be shared: of an enum's or union's bytes some are no value; \
                      share an integer, and convert it";
        return Err(Error::new_spanned(name, reason));
    };
    if !input.generics.params.is_empty() {
        let reason = "what is shared has one layout, and so no parameters";
        return Err(Error::new_spanned(&input.generics, reason));
    }
    if !has_fixed_layout(input)? {
        let reason = "the order of its fields is the compiler's to choose: say #[repr(C)] or \
                      #[repr(transparent)]";
        return Err(Error::new_spanned(name, reason));
    }
    let types: Vec<_> = data.fields.iter().map(|field| &field.ty).collect();
    let accessors: Vec<_> = data.fields.members().collect();
    let names: Vec<_> = accessors
        .iter()
        .map(|member| match member {
            syn::Member::Named(name) => name.to_string(),
            syn::Member::Unnamed(index) => index.index.to_string(),
        })
        .collect();
    let checks = types.iter().map(|ty| quote_spanned!(ty.span()=> is_shared::<#ty>();));
    let title = name.to_string();
    Ok(quote! {
        // SAFETY: a structure of fixed layout whose every field is such a type, and whose size is the sum
        // of theirs, so that there are no bytes between or behind them. `Shared` asks for `Copy` besides.
        unsafe impl ::folio_shm::Shared for #name {
            const LAYOUT: u64 = {
                const fn is_shared<T: ::folio_shm::Shared>() {}
                #(#checks)*
                let fields = 0 #(+ ::core::mem::size_of::<#types>())*;
                assert!(
                    ::core::mem::size_of::<Self>() == fields,
                    "there is padding in it, whose bytes would be shared too: \
                     order its fields by size, or name the padding as an array of bytes",
                );
                ::folio_shm::shared::layout_of(
                    #title,
                    ::core::mem::size_of::<Self>(),
                    &[#((#names, ::core::mem::offset_of!(Self, #accessors), <#types as ::folio_shm::Shared>::LAYOUT)),*],
                )
            };
        }
        const _: u64 = <#name as ::folio_shm::Shared>::LAYOUT;
    })
}

fn has_fixed_layout(input: &DeriveInput) -> Result<bool, Error> {
    let mut is_fixed = false;
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("repr")) {
        attribute.parse_nested_meta(|meta| {
            is_fixed |= meta.path.is_ident("C") || meta.path.is_ident("transparent");
            // `align(8)` and its like come with an argument.
            if meta.input.peek(syn::token::Paren) {
                let argument;
                syn::parenthesized!(argument in meta.input);
                argument.parse::<proc_macro2::TokenStream>()?;
            }
            Ok(())
        })?;
    }
    Ok(is_fixed)
}
