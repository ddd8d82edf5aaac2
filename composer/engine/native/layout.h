// What Python hands over, and what both sides number alike. layout.py has the same, and a build in which anything is
// otherwise is not loaded (library.py).
#pragma once

#include <cstddef>
#include <cstdint>

namespace {

constexpr int LANES = 64;  // columns of a group: one cache line of int8
constexpr int ATTRIBUTES = 9, FIELDS = 7, PULLS = 4;
constexpr int FARTHEST = 64, HINTS = 16, HEADS = 64;  // at most: bars back, hints a word, heads of a group
enum Attribute { FAMILY, POSITION, PITCH, VELOCITY, DURATION, CHORD, TEMPO, METER, ROLE };
enum Family { IGNORE, BAR, METRICAL, NOTE, END };
enum Segment { HEARD, GIVEN, DRAWN, BEHIND };
constexpr int FAMILY_OF[ATTRIBUTES] = {IGNORE, METRICAL, NOTE, NOTE, NOTE, METRICAL, METRICAL, BAR, NOTE};
enum PullOf { NOTES_PULL, SPREAD_PULL, LOUDNESS_PULL, REGISTER_PULL };
constexpr int PLACE[] = {0, 2, 1, 3};  // of four int8 that stand together: see Packed
enum Outcome { DONE, NO_MEMORY, BROKEN };  // what the functions return

}  // namespace

extern "C" {

struct Matrix {  // of a linear layer: (inputs, outputs), packed; outputs are padded to whole groups
    const void* weights;
    const float* scales;  // (outputs,)
    const float* bias;    // (outputs,), zeros where there is none
    int32_t inputs, outputs;
};

struct Layer {
    Matrix queries_keys_values, out, up, down;
    Matrix distance_keys;  // (head_dim, heads * distances), farthest first; no weights where positions have none
    const float *attention_norm, *feed_norm;        // (dim,)
    const float *content_bias, *distance_bias;      // (heads, head_dim)
};

struct Stage {
    const int32_t* names;              // (name_count,) of Attribute
    const float* given[ATTRIBUTES];    // (ids, dim) for the attributes of earlier stages, else null
    const float* norm;                 // (dim,)
    Matrix heads;                      // to the ids of all names, one after the other
    Matrix gates;                      // to (names, hints), times the strength of copying; no weights without hints
    int32_t name_count;
};

struct Model {
    int32_t dim, layers, heads, kv_heads, window, stages, hints, lags, farthest, memory;
    const int32_t* sizes;                    // (ATTRIBUTES,), 0 for those that the model does not have
    const int32_t* lag_bars;                 // (lags,)
    const float* embeddings[ATTRIBUTES];     // (ids, dim), the projection applied; null where there are none
    const float* bias;                       // (dim,), the projection's
    const float* anchors[FIELDS];            // (ids, dim), null where there are none
    const float* segments;                   // (ids, dim), null where there are none
    const float* hint_words;                 // (hints, ids of all attributes, dim), the projection applied
    const float* hint_same;                  // (hints, dim)
    const float *hint_alike, *hint_distance; // (ids, dim) of the likest bar
    const float *norm, *slopes;              // (dim,), (heads,)
    const Layer* layer;
    const Stage* stage;
    Matrix mix;                              // of all stages, one after the other
    float norm_epsilon;
};

struct Settings {  // one row a slot, changed by Python between two calls
    const float *temperature, *top_p;  // (slots, ATTRIBUTES)
    const float* pulls;                // (slots, PULLS)
    const float* noise;                // (slots, noise_words, ATTRIBUTES)
    const float* trust;                // (slots,), times the strength of copying, hints count
    const uint8_t *warmed, *last;      // (slots,), last: whether no bar follows the one that is open
    const int32_t *length, *segment, *following;  // (slots,), of the bar that is open; following: a meter, or 0
    const int32_t* anchors;            // (slots, FIELDS)
    const int32_t* chords;             // (slots, ids of POSITION), 0 where the model chooses
    const int32_t* roles;              // (slots,), a bit for each id that may be drawn
    int32_t noise_words, farthest_spread;
    float coldest, warmer, least_warm, most_warm;
    int32_t places_per_role, places_per_position, places_per_bar, alike_words;
};

struct Named {
    const char* name;
    int64_t value;
};

}  // extern "C"

namespace {

#define IS(name) {#name, name}
#define AT(structure, field) {#structure "." #field, offsetof(structure, field)}

constexpr Named LAYOUT[] = {
    {"version", 4},  // raised whenever a function changes
    IS(LANES), IS(ATTRIBUTES), IS(FIELDS), IS(PULLS), IS(FARTHEST), IS(HINTS), IS(HEADS), IS(DONE), IS(NO_MEMORY),
    IS(FAMILY), IS(POSITION), IS(PITCH), IS(VELOCITY), IS(DURATION), IS(CHORD), IS(TEMPO), IS(METER), IS(ROLE),
    IS(IGNORE), IS(BAR), IS(METRICAL), IS(NOTE), IS(END), IS(HEARD), IS(GIVEN), IS(DRAWN), IS(BEHIND),
    IS(FAMILY_OF[FAMILY]), IS(FAMILY_OF[POSITION]), IS(FAMILY_OF[PITCH]), IS(FAMILY_OF[VELOCITY]),
    IS(FAMILY_OF[DURATION]), IS(FAMILY_OF[CHORD]), IS(FAMILY_OF[TEMPO]), IS(FAMILY_OF[METER]), IS(FAMILY_OF[ROLE]),
    IS(NOTES_PULL), IS(SPREAD_PULL), IS(LOUDNESS_PULL), IS(REGISTER_PULL),
    IS(PLACE[0]), IS(PLACE[1]), IS(PLACE[2]), IS(PLACE[3]),
    {"Matrix", sizeof(Matrix)}, AT(Matrix, weights), AT(Matrix, scales), AT(Matrix, bias), AT(Matrix, inputs),
    AT(Matrix, outputs),
    {"Layer", sizeof(Layer)}, AT(Layer, queries_keys_values), AT(Layer, out), AT(Layer, up), AT(Layer, down),
    AT(Layer, distance_keys), AT(Layer, attention_norm), AT(Layer, feed_norm), AT(Layer, content_bias),
    AT(Layer, distance_bias),
    {"Stage", sizeof(Stage)}, AT(Stage, names), AT(Stage, given), AT(Stage, norm), AT(Stage, heads), AT(Stage, gates),
    AT(Stage, name_count),
    {"Model", sizeof(Model)}, AT(Model, dim), AT(Model, layers), AT(Model, heads), AT(Model, kv_heads),
    AT(Model, window), AT(Model, stages), AT(Model, hints), AT(Model, lags), AT(Model, farthest), AT(Model, memory),
    AT(Model, sizes), AT(Model, lag_bars), AT(Model, embeddings), AT(Model, bias), AT(Model, anchors),
    AT(Model, segments), AT(Model, hint_words), AT(Model, hint_same), AT(Model, hint_alike), AT(Model, hint_distance),
    AT(Model, norm), AT(Model, slopes), AT(Model, layer), AT(Model, stage), AT(Model, mix), AT(Model, norm_epsilon),
    {"Settings", sizeof(Settings)}, AT(Settings, temperature), AT(Settings, top_p), AT(Settings, pulls),
    AT(Settings, noise), AT(Settings, trust), AT(Settings, warmed), AT(Settings, last), AT(Settings, length),
    AT(Settings, segment), AT(Settings, following), AT(Settings, anchors), AT(Settings, chords), AT(Settings, roles),
    AT(Settings, noise_words), AT(Settings, farthest_spread), AT(Settings, coldest), AT(Settings, warmer),
    AT(Settings, least_warm), AT(Settings, most_warm), AT(Settings, places_per_role),
    AT(Settings, places_per_position), AT(Settings, places_per_bar), AT(Settings, alike_words),
};

#undef IS
#undef AT

}  // namespace
