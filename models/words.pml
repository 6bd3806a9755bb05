/*
 * words.pml -- what the models share: must() holds a property to it and says in one line what broke
 * it. ONLY names the one property that a run looks at; all of them where it is not given.
 */
#ifdef ONLY
#define WANTED(property) ((property) == ONLY)
#else
#define WANTED(property) true
#endif

#define must(property, holds, ...)                                                                 \
	if                                                                                         \
	:: WANTED(property) && !(holds) -> printf(__VA_ARGS__); assert(false)                      \
	:: else                                                                                    \
	fi
