declare const brand: unique symbol;
/** A value of type `T` that only its parser can make: `Branded<number, "StoreId">` is not a `RegionId`. */
export type Branded<T, Name extends string> = T & { readonly [brand]: Name };
