import js from "@eslint/js";

const NODE = ["Buffer", "console", "URL", "AbortSignal", "fetch", "process", "setTimeout"];

export default [
	js.configs.recommended,
	{
		languageOptions: { globals: Object.fromEntries(NODE.map((name) => [name, "readonly"])) },
		rules: {
			"no-var": "error",
			"prefer-const": "error",
			eqeqeq: "error",
			"no-shadow": "error",
		},
	},
];
