/**
 * Protobuf schemas: one text a service family, parsed once; messages are plain objects with the schema's own field names.
 * 64-bit integers are decimal strings and enums are names in what is decoded; both and numbers are taken when encoding.
 */
import protobuf from "protobufjs";

export type Message = Readonly<Record<string, unknown>>;

export interface DecodeOptions {
  /** Fields that were not sent: with their defaults, or left out. */
  readonly defaults?: boolean;
}

export interface MethodCodec {
  readonly name: string;
  /** `/package.Service/Method` */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly encodeRequest: (message: Message) => Buffer;
  readonly decodeRequest: (bytes: Uint8Array) => Message;
  readonly encodeResponse: (message: Message) => Buffer;
  readonly decodeResponse: (bytes: Uint8Array) => Message;
}

export interface ServiceCodec {
  /** `package.Service` */
  readonly name: string;
  readonly methods: ReadonlyMap<string, MethodCodec>;
}

export interface Schema {
  readonly root: protobuf.Root;
  service(name: string): ServiceCodec;
  /** The plain object of an encoded message, or the other way. */
  decode(type: string, bytes: Uint8Array): Message;
  encode(type: string, message: Message): Buffer;
  /** Fills what a message lacks with the defaults of its type, in the schema's order, as printed answers have it. */
  complete(type: string, message: Message): Message;
}

/** `text` is proto3. Throws on a schema that cannot be read: a mistake of the program. */
export function loadSchema(text: string, options: DecodeOptions = {}): Schema {
  const { root } = protobuf.parse(text, { keepCase: true });
  root.resolveAll();
  const conversion: protobuf.IConversionOptions = {
    longs: String,
    enums: String,
    defaults: options.defaults ?? true,
    arrays: options.defaults ?? true,
    oneofs: false, // the set member of a choice stands for itself; its group name is no field
  };
  const decode = (type: protobuf.Type, bytes: Uint8Array): Message => type.toObject(type.decode(bytes), conversion);
  const encode = (type: protobuf.Type, message: Message): Buffer => Buffer.from(type.encode(type.fromObject(message)).finish());
  const services = new Map<string, ServiceCodec>();
  return {
    root,
    decode: (type, bytes) => decode(root.lookupType(type), bytes),
    encode: (type, message) => encode(root.lookupType(type), message),
    complete: (name, message) => {
      const type = root.lookupType(name);
      return type.toObject(type.fromObject(message), conversion);
    },
    service: (name) => {
      const known = services.get(name);
      if (known !== undefined) return known;
      const service = root.lookupService(name);
      const methods = new Map<string, MethodCodec>();
      for (const method of service.methodsArray) {
        const request = service.lookupType(method.requestType);
        const response = service.lookupType(method.responseType);
        methods.set(method.name, {
          name: method.name,
          path: `/${name}/${method.name}`,
          requestStream: method.requestStream === true,
          responseStream: method.responseStream === true,
          encodeRequest: (message) => encode(request, message),
          decodeRequest: (bytes) => decode(request, bytes),
          encodeResponse: (message) => encode(response, message),
          decodeResponse: (bytes) => decode(response, bytes),
        });
      }
      const codec = { name, methods };
      services.set(name, codec);
      return codec;
    },
  };
}
