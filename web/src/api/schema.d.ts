// Made from crates/server/openapi.json by `npm run api`; do not edit.

export interface paths {
    "/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who is signed in; 401 when nobody is. */
        get: operations["getSession"];
        put?: never;
        /** Signs in. Sets the `ridgeway_session` cookie (HttpOnly, SameSite=Strict). Needs no CSRF token. */
        post: operations["signIn"];
        /** Signs out. */
        delete: operations["signOut"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/system": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Version, runtime and addresses. */
        get: operations["getSystem"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/home": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Everything on the first page. */
        get: operations["getHome"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/applications": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All applications the user may see, by name. */
        get: operations["listApplications"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/applications/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One application. */
        get: operations["getApplication"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/applications/{name}/object": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One object of the application. */
        get: operations["getObject"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/applications/{name}/sync": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Starts a sync. 409 while one runs; 422 `refused` when the gate refuses the request itself. Progress comes as `operation` events. */
        post: operations["syncApplication"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/applications/{name}/rollback": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Goes back to a past deployment and pauses automated sync (the operation's message says so). */
        post: operations["rollbackApplication"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/promotions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Every service with more than one stage, or one that could have more. */
        get: operations["listPromotions"];
        put?: never;
        /** Commits the version of the stage before into the given stage. */
        post: operations["createPromotion"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/policies": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All policies, most failures first. */
        get: operations["listPolicies"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/policies/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One policy. */
        get: operations["getPolicy"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/policies/exceptions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Exceptions to policies that the user may see: those that wait first, then those that end soonest. */
        get: operations["listExceptions"];
        put?: never;
        /** Asks for an exception for one object. It counts once somebody else has approved it. */
        post: operations["askForException"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/policies/exceptions/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Ends an exception. */
        delete: operations["removeException"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/policies/exceptions/{id}/approve": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Approves an exception in the user's name. Nobody approves their own. */
        post: operations["approveException"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/policies/playground": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Judges YAML by YAML. Nothing is stored. Unreadable text is a 200 with `problems`. */
        post: operations["judge"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/audit/entries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Entries that match all given filters, newest first. */
        get: operations["listAuditEntries"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/audit/entries/{index}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One entry with before, after and proof. */
        get: operations["getAuditEntry"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/audit/verify": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Recomputes the whole ledger. Needs `audit.verify`. */
        post: operations["verifyLedger"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/catalog/entities": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All entities, by reference; the portal filters. */
        get: operations["listEntities"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/catalog/entities/{kind}/{namespace}/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One entity. Path parts are case-insensitive. */
        get: operations["getEntity"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/repositories": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Repositories served by the platform. */
        get: operations["listRepositories"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/templates": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Golden paths. */
        get: operations["listTemplates"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/templates/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One golden path with its form. */
        get: operations["getTemplate"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/templates/{name}/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** What a run would make and what the policies say. Nothing is stored; incomplete input is a 200 with `problems`. */
        post: operations["previewTemplate"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/templates/{name}/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Starts a run. 422 with `problems` or `refusals` when it cannot start. */
        post: operations["runTemplate"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The latest 50 runs, newest first. */
        get: operations["listRuns"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/runs/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One run. */
        get: operations["getRun"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Server-sent events. Each has an increasing `id`, an `event` name (`application`, `tree`, `operation`, `ledger`, `policy`, `entity`, `run`, `resync`) and one line of JSON `data` of the schema named like the event. A comment line every 15 s keeps the connection open. The answer is 401 without a session. */
        get: operations["streamEvents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description Every answer outside 2xx has this body. */
        Error: {
            /** @description What went wrong. */
            error: {
                /**
                 * @description `refused`: a rule refused it (HTTP 422, see `refusals`). `invalid`: the input is not valid (HTTP 422, see `problems`).
                 * @enum {string}
                 */
                code: "unauthenticated" | "forbidden" | "csrf" | "not_found" | "conflict" | "invalid" | "refused" | "too_many_requests" | "internal" | "unavailable";
                /** @description A sentence for people: what is wrong and what to do. */
                message: string;
                /** @description Also in the `X-Request-Id` header and in the server's log. */
                requestId: string;
                refusals?: components["schemas"]["Refusal"][];
                problems?: components["schemas"]["Problem"][];
            };
        };
        /** @description One input value that is not valid. */
        Problem: {
            /** @description JSON pointer into the input, such as `/name`; empty for the whole input. */
            field: string;
            message: string;
        };
        /** @description What was refused, by which rule, where, and what would make it pass. */
        Refusal: {
            /** @description Name of the policy, or `access` when RBAC refused. */
            policy: string;
            /** @description Id for `/policies/{id}`; null when the rule has no page. */
            policyId: string | null;
            /** @description Rule within the policy; may be empty. */
            rule: string;
            message: string;
            /** @description Dotted path in the object, such as `spec.containers[0].resources`; empty for the whole object. */
            path: string;
            /** @description The offending value; null when absent. */
            value: unknown;
            /** @description What would make it pass, in words; may be empty. */
            remedy: string;
            /** @description RFC 6902 patch that would make it pass; null when none is obvious. */
            patch: components["schemas"]["PatchOperation"][] | null;
            object: components["schemas"]["ObjectRef"] | null;
            /** @description Whom to ask: an entity reference such as `group:default/platform`. */
            ask: string | null;
        };
        /** @description One operation of a JSON patch. */
        PatchOperation: {
            /** @enum {string} */
            op: "add" | "replace" | "remove";
            /** @description JSON pointer. */
            path: string;
            /** @description The new value. */
            value?: unknown;
        };
        /** @description An object by name. `key` identifies it in URLs and events. */
        ObjectRef: {
            /** @description `group/Kind/namespace/name`; group and namespace may be empty: `/Pod/checkout/web-0`. */
            key: string;
            apiVersion: string;
            kind: string;
            /** @description Empty for cluster-scoped objects. */
            namespace: string;
            name: string;
        };
        /** @description Who is signed in. */
        Session: {
            name: string;
            displayName: string;
            groups: string[];
            /** @description Send as `X-CSRF-Token` with every POST and DELETE. */
            csrfToken: string;
            /** @description What the user may do here; the portal hides nothing but disables what is missing and says so. */
            permissions: ("applications.sync" | "applications.rollback" | "promotions.create" | "templates.run" | "audit.verify")[];
        };
        /** @description Credentials. */
        SignIn: {
            user: string;
            password: string;
        };
        /** @description About this platform. */
        System: {
            version: string;
            /**
             * Format: date-time
             * @description RFC 3339, UTC.
             */
            startedAt: string;
            /** @description Where workloads run. */
            runtime: {
                /** @enum {string} */
                kind: "simulated" | "kubernetes";
                /** @description One sentence, such as that pods are simulated and no container runs. */
                note: string;
            };
            /** @description Where to reach it. */
            urls: {
                portal: string;
                kubernetes: string;
                /** @description Base URL of the repositories; `<git>/<name>.git`. */
                git: string;
                /** @description Path of the kubeconfig file on the platform's machine. */
                kubeconfig: string;
            };
            /** @description The audit ledger. */
            ledger: {
                /** @description Entries. */
                size: number;
                /** @description Name of the log. */
                origin: string;
            };
        };
        /** @enum {string} */
        Health: "Healthy" | "Progressing" | "Degraded" | "Suspended" | "Missing" | "Unknown";
        /** @enum {string} */
        SyncState: "Synced" | "OutOfSync" | "Unknown";
        /** @description A Git commit. */
        Commit: {
            /** @description 40 hexadecimal digits. */
            sha: string;
            /** @description First line. */
            message: string;
            author: string;
            /**
             * Format: date-time
             * @description RFC 3339, UTC.
             */
            at: string;
        };
        /** @description One service in one environment. */
        Deployment: {
            environment: string;
            /** @description Name of the Argo CD Application. */
            application: string;
            health: components["schemas"]["Health"];
            sync: components["schemas"]["SyncState"];
            /** @description What runs: an image tag, or the short commit. */
            version: string;
            /** @description Commit deployed; empty before the first sync. */
            revision: string;
            /**
             * Format: date-time
             * @description RFC 3339, UTC.
             */
            changedAt: string | null;
            /** @description Objects that differ from Git. */
            drift: number;
        };
        /** @description A component and where it runs. */
        ServiceStatus: {
            /** @description Entity reference, such as `component:default/checkout`. */
            ref: string;
            title: string;
            /** @description Entity reference. */
            owner: string | null;
            deployments: components["schemas"]["Deployment"][];
        };
        /** @description Something that needs a person. */
        WaitingItem: {
            /** @description Stable while the matter stands. */
            id: string;
            /** @enum {string} */
            kind: "degraded" | "outOfSync" | "refused" | "violation" | "problem" | "approval";
            /** @enum {string} */
            severity: "high" | "medium" | "low";
            title: string;
            detail: string;
            /** @description Path in the portal, such as `/applications/checkout-staging`. */
            link: string;
            /**
             * Format: date-time
             * @description RFC 3339, UTC.
             */
            at: string;
            /** @description What one click does. */
            action: {
                label: string;
                /** @enum {string} */
                kind: "sync" | "open";
                /** @description Application for `sync`; portal path for `open`. */
                target: string;
            } | null;
        };
        /** @description Ledger entries with one cause. */
        ChangeGroup: {
            causality: string;
            /** @description What happened, in words. */
            title: string;
            actor: string;
            /**
             * Format: date-time
             * @description Of the newest entry.
             */
            at: string;
            /** @description Entries in the group. */
            count: number;
            /** @description Refusals among them. */
            refused: number;
            outcome: components["schemas"]["Outcome"];
            firstIndex: number;
            lastIndex: number;
            /** @description The first few objects touched. */
            objects: components["schemas"]["ObjectRef"][];
        };
        /** @enum {string} */
        Outcome: "allowed" | "refused" | "failed";
        /** @description Delivery numbers of one day. */
        DeliveryDay: {
            /**
             * Format: date
             * @description YYYY-MM-DD.
             */
            date: string;
            deployments: number;
            failed: number;
            /** @description Changes refused by access or policy. */
            refused: number;
        };
        /** @description First page. */
        Home: {
            services: components["schemas"]["ServiceStatus"][];
            waiting: components["schemas"]["WaitingItem"][];
            /** @description Newest first, at most 20. */
            changes: components["schemas"]["ChangeGroup"][];
            /** @description Delivery over the last 14 days. */
            delivery: {
                days: components["schemas"]["DeliveryDay"][];
                /** @description Commit to running, median; null without deployments. */
                medianLeadSeconds: number | null;
                /** @description Failed / all deployments, 0 to 1; null without deployments. */
                failureRate: number | null;
            };
        };
        /** @description An Argo CD Application in one line. */
        ApplicationSummary: {
            name: string;
            project: string;
            /** @description Entity reference of the component. */
            entity: string | null;
            /** @description Stage name, such as `staging`. */
            environment: string | null;
            /** @description Where the manifests come from. */
            source: {
                /** @description Clone URL. */
                repository: string;
                path: string;
                targetRevision: string;
            };
            /** @description Where they go. */
            destination: {
                cluster: string;
                namespace: string;
            };
            autoSync: boolean;
            health: components["schemas"]["Health"];
            /** @description Why it is not healthy; may be empty. */
            healthMessage: string;
            sync: components["schemas"]["SyncState"];
            /** @description What runs: an image tag, or the short commit. */
            version: string;
            /** @description Commit last synced; empty before the first. */
            revision: string;
            images: string[];
            /** @description Managed objects. */
            objects: number;
            /** @description Objects that differ from Git. */
            outOfSync: number;
            /** @description Objects whose last apply was refused. */
            refused: number;
            operationPhase: components["schemas"]["OperationPhase"] | null;
            /**
             * Format: date-time
             * @description RFC 3339, UTC.
             */
            lastSyncedAt: string | null;
        };
        /** @enum {string} */
        OperationPhase: "Running" | "Succeeded" | "Failed" | "Error" | "Terminating";
        /** @description A sync or rollback, running or last. */
        Operation: {
            /** @enum {string} */
            kind: "sync" | "rollback";
            phase: components["schemas"]["OperationPhase"];
            message: string;
            revision: string;
            /** @description User, or `automated`. */
            initiatedBy: string;
            /**
             * Format: date-time
             * @description RFC 3339, UTC.
             */
            startedAt: string;
            /**
             * Format: date-time
             * @description RFC 3339, UTC.
             */
            finishedAt: string | null;
            /** @description Objects finished. */
            done: number;
            /** @description Objects in the plan; 0 while planning. */
            total: number;
            causality: string;
            refusals: components["schemas"]["Refusal"][];
        };
        /** @description One object of an application. */
        TreeNode: {
            ref: components["schemas"]["ObjectRef"];
            /** @description Keys of the owners within the tree; empty for objects that come from Git. */
            parents: string[];
            health: components["schemas"]["Health"] | null;
            healthMessage: string;
            sync: components["schemas"]["SyncState"] | null;
            images: string[];
            /**
             * Format: date-time
             * @description Null when the object does not exist yet.
             */
            createdAt: string | null;
            /** @description In the cluster, no longer in Git: a sync with prune deletes it. */
            prune: boolean;
            /** @description A sync hook. */
            hook: boolean;
            /** @description Short facts, such as `Ready 2/2`. */
            info: {
                name: string;
                value: string;
            }[];
            /** @description Why its last apply was refused; usually empty. */
            refusals: components["schemas"]["Refusal"][];
        };
        /** @description One past deployment. */
        HistoryEntry: {
            /** @description For rollback. */
            id: number;
            revision: string;
            commit: components["schemas"]["Commit"] | null;
            /**
             * Format: date-time
             * @description RFC 3339, UTC.
             */
            deployedAt: string;
            initiatedBy: string;
            version: string;
            ledgerIndex: number | null;
            current: boolean;
        };
        /** @description An Argo CD condition. */
        Condition: {
            type: string;
            message: string;
            /**
             * Format: date-time
             * @description RFC 3339, UTC.
             */
            at: string | null;
        };
        /** @description One step of: commit, render, verdict, apply, running. */
        WhyStep: {
            /** @enum {string} */
            id: "commit" | "render" | "verdict" | "apply" | "running";
            /** @description Few words, such as `9f2c1ab by alice`. */
            title: string;
            /** @description One sentence. */
            text: string;
            /** @enum {string} */
            state: "done" | "active" | "failed" | "waiting";
            /**
             * Format: date-time
             * @description RFC 3339, UTC.
             */
            at: string | null;
            /** @description Entry that records it; null when none yet. */
            ledgerIndex: number | null;
        };
        /** @description An application with everything its page shows. */
        ApplicationDetail: components["schemas"]["ApplicationSummary"] & {
            tree: components["schemas"]["TreeNode"][];
            /** @description Newest first. */
            history: components["schemas"]["HistoryEntry"][];
            conditions: components["schemas"]["Condition"][];
            operation: components["schemas"]["Operation"] | null;
            /** @description Always the five steps in order. */
            why: components["schemas"]["WhyStep"][];
            headCommit: components["schemas"]["Commit"] | null;
        };
        /** @description Why two values differ. */
        DiffReason: {
            /**
             * @description `git`: Git is ahead; `edited`: changed by hand in the cluster; `defaulted`: filled in by the server; `ignored`: by an ignoreDifferences rule; `missing`: not in the cluster; `extra`: not in Git.
             * @enum {string}
             */
            kind: "git" | "edited" | "defaulted" | "ignored" | "missing" | "extra";
            /** @description A sentence, such as `changed by alice with kubectl-edit`. */
            text: string;
            actor: string | null;
            /**
             * Format: date-time
             * @description RFC 3339, UTC.
             */
            at: string | null;
            ledgerIndex: number | null;
        };
        /** @description One difference. `before` is what the cluster (or the older state) has, `after` what Git (or the newer state) has; an absent property means absent. */
        DiffEntry: {
            /** @description Dotted path; the empty path is the whole object. */
            path: string;
            /** @description Value before. */
            before?: unknown;
            /** @description Value after. */
            after?: unknown;
            reason?: components["schemas"]["DiffReason"];
        };
        /** @description A Kubernetes event about the object. */
        ObjectEvent: {
            /**
             * Format: date-time
             * @description RFC 3339, UTC.
             */
            at: string;
            /** @enum {string} */
            type: "Normal" | "Warning";
            reason: string;
            message: string;
            count: number;
        };
        /** @description One object with what its drawer shows. Values of Secrets are replaced by `<hidden>`. */
        ObjectDetail: {
            ref: components["schemas"]["ObjectRef"];
            application: string | null;
            health: components["schemas"]["Health"] | null;
            healthMessage: string;
            sync: components["schemas"]["SyncState"] | null;
            /** @description YAML as in the cluster; null when missing. */
            live: string | null;
            /** @description YAML from Git; null for children and extra objects. */
            desired: string | null;
            diff: components["schemas"]["DiffEntry"][];
            /** @description Newest first. */
            events: components["schemas"]["ObjectEvent"][];
            /** @description Ledger entries about the object, newest first, at most 50. */
            history: components["schemas"]["AuditEntry"][];
            refusals: components["schemas"]["Refusal"][];
            /** @description For the summary: replicas, image, service account, and so on. */
            facts: {
                name: string;
                value: string;
            }[];
        };
        /** @description How to sync. */
        SyncRequest: {
            /** @description Branch, tag or commit; the application's own when absent. */
            revision?: string;
            prune?: boolean;
            /** @description Plan and judge only. */
            dryRun?: boolean;
        };
        /** @description Where to go back to. */
        RollbackRequest: {
            historyId: number;
        };
        /** @description A column of the board. */
        PromotionStage: {
            name: string;
            deployment: components["schemas"]["Deployment"] | null;
            commit: components["schemas"]["Commit"] | null;
        };
        /** @description A service and its stages, first to last. */
        PromotionBoard: {
            /** @description Entity reference. */
            entity: string;
            title: string;
            stages: components["schemas"]["PromotionStage"][];
            /** @description The promotion that could be made now. */
            next: {
                /** @description Stage. */
                to: string;
                /** @description Stage. */
                from: string;
                version: string;
                /** @description Why not yet; empty means it may go. */
                blocked: components["schemas"]["Refusal"][];
            } | null;
        };
        /** @description Which promotion. */
        PromotionRequest: {
            entity: string;
            /** @description Stage. */
            to: string;
        };
        /** @description The commit that carries it. */
        PromotionResult: {
            commit: components["schemas"]["Commit"];
            application: string;
            causality: string;
        };
        /** @description A policy with its score. */
        PolicySummary: {
            /** @description Opaque, safe in a URL path. */
            id: string;
            name: string;
            /** @description `ClusterPolicy`, `ValidatingAdmissionPolicy`, `PodSecurity`, … */
            kind: string;
            title: string;
            description: string;
            category: string;
            /** @enum {string} */
            severity: "high" | "medium" | "low";
            /** @enum {string} */
            mode: "enforce" | "audit";
            rules: number;
            /** @description Objects that pass now. */
            passed: number;
            /** @description Objects that fail now. */
            failed: number;
            /** @description Requests refused in the last 24 hours. */
            refused24h: number;
            /** @description Failing objects per day, oldest first, 14 values. */
            trend: number[];
        };
        /** @description A rule. */
        PolicyRule: {
            name: string;
            /** @enum {string} */
            kind: "validate" | "mutate" | "generate" | "verifyImages";
            /** @description The rule in plain words. */
            words: string;
            /** @description What it applies to, such as `Pods when created or updated`. */
            applies: string;
            /** @description Line of the rule in `yaml`, from 1. */
            line: number;
            passed: number;
            failed: number;
        };
        /** @description An object that breaks a rule. */
        Violation: {
            refusal: components["schemas"]["Refusal"];
            application: string | null;
            /** @description Entity reference. */
            owner: string | null;
            /**
             * Format: date-time
             * @description RFC 3339, UTC.
             */
            since: string | null;
        };
        /** @description A policy with everything its page shows. */
        PolicyDetail: components["schemas"]["PolicySummary"] & {
            ruleList: components["schemas"]["PolicyRule"][];
            /** @description At most 500. */
            violations: components["schemas"]["Violation"][];
            yaml: string;
            /** @description The last 48 hours, oldest first; zero before anything was counted. */
            hours: components["schemas"]["ScoreHour"][];
            exceptions: components["schemas"]["PolicyException"][];
            /** @description Whether exceptions to it can be asked for. */
            excepts: boolean;
        };
        /** @description Objects for which a policy does not count, for a while. */
        PolicyException: {
            /** @description Opaque, safe in a URL path. */
            id: string;
            namespace: string;
            name: string;
            /** @description `kyverno.io/PolicyException` or `policies.kyverno.io/PolicyException`. */
            kind: string;
            policies: {
                /** @description May hold wildcards. */
                name: string;
                /** @description Empty for all. */
                rules: string[];
            }[];
            /** @description Ids of the policies in force that it is for. */
            policyIds: string[];
            /** @description What it takes out, in words. */
            covers: string;
            /** @description Who answers for it. */
            owner: string;
            /** @description Why it is needed. */
            reason: string;
            requestedBy: string;
            /**
             * Format: date-time
             * @description RFC 3339, UTC.
             */
            requestedAt: string;
            approvedBy: string | null;
            /**
             * Format: date-time
             * @description RFC 3339, UTC.
             */
            approvedAt: string | null;
            /**
             * Format: date-time
             * @description RFC 3339, UTC; null when it does not end by itself.
             */
            expiresAt: string | null;
            /** @description 0 when it is over. */
            secondsLeft: number | null;
            /** @enum {string} */
            state: "Requested" | "Approved" | "Expired";
            /** @description Why it cannot count. */
            faults: string[];
            /** @description Whether the user asked for it. */
            own: boolean;
            /** @description Whether it waits and the user may approve it. */
            mayApprove: boolean;
            mayRemove: boolean;
        };
        /** @description An exception as asked for. */
        ExceptionRequest: {
            /** @description `PolicySummary.id`. */
            policyId: string;
            /** @description A rule of it; empty for all. */
            rule: string;
            /** @description Kind of the object; what makes Pods covers its Pods. */
            objectKind: string;
            /** @description Empty for cluster-scoped objects. */
            namespace: string;
            /** @description May hold wildcards. */
            objectName: string;
            /** @description Who answers for it. */
            owner: string;
            /** @description Why it is needed. */
            reason: string;
            /**
             * Format: date-time
             * @description RFC 3339.
             */
            expiresAt: string;
        };
        /** @description Where an exception is. */
        ExceptionRef: {
            id: string;
            namespace: string;
            name: string;
        };
        /** @description A policy's score at the end of an hour. */
        ScoreHour: {
            /**
             * Format: date-time
             * @description When the hour began.
             */
            at: string;
            passed: number;
            failed: number;
        };
        /** @description What to judge. */
        PlaygroundRequest: {
            /** @description YAML, one or more documents. */
            resource: string;
            /** @description YAML, one or more policies. */
            policy: string;
        };
        /** @description What one rule says about one object. */
        Verdict: {
            policy: string;
            rule: string;
            /** @description `Kind/name`, or the file for templates. */
            object: string;
            /** @enum {string} */
            result: "pass" | "fail" | "warn" | "skip" | "error";
            message: string;
            refusal: components["schemas"]["Refusal"] | null;
        };
        /** @description Verdicts. */
        PlaygroundAnswer: {
            verdicts: components["schemas"]["Verdict"][];
            problems: {
                /** @enum {string} */
                source: "resource" | "policy";
                /** @description From 1. */
                line: number | null;
                message: string;
            }[];
            /** @description The resource as mutating rules left it (YAML); null when unchanged. */
            mutated: string | null;
            /** @description Time spent judging. */
            microseconds: number;
        };
        /** @description Who acted. */
        Actor: {
            name: string;
            /** @enum {string} */
            kind: "person" | "controller" | "workload";
            impersonator: string | null;
        };
        /** @description A line of the ledger. */
        AuditEntry: {
            index: number;
            /**
             * Format: date-time
             * @description RFC 3339, UTC.
             */
            at: string;
            actor: components["schemas"]["Actor"];
            /** @description `create`, `update`, `patch`, `delete`, `sign-in`, `push`, … */
            verb: string;
            object: components["schemas"]["ObjectRef"] | null;
            subresource: string;
            outcome: components["schemas"]["Outcome"];
            /** @description One sentence. */
            summary: string;
            causality: string;
            /** @description Address and client, or `controller`. */
            source: string;
        };
        /** @description Counts from `at` on. */
        HistogramBucket: {
            /**
             * Format: date-time
             * @description RFC 3339, UTC.
             */
            at: string;
            allowed: number;
            refused: number;
            failed: number;
        };
        /** @description A value and how often it occurs. */
        FacetValue: {
            value: string;
            count: number;
        };
        /** @description Entries, newest first. */
        AuditPage: {
            items: components["schemas"]["AuditEntry"][];
            /** @description For `cursor`; null at the end. */
            nextCursor: string | null;
            /** @description Entries that match. */
            total: number;
            /** @description Only without `cursor`. About 60 buckets over the matching range. */
            histogram: {
                bucketSeconds: number;
                buckets: components["schemas"]["HistogramBucket"][];
            } | null;
            /** @description Only without `cursor`. For completion; at most 20 values each. */
            facets: {
                actors: components["schemas"]["FacetValue"][];
                verbs: components["schemas"]["FacetValue"][];
                kinds: components["schemas"]["FacetValue"][];
                namespaces: components["schemas"]["FacetValue"][];
            } | null;
        };
        /** @description RFC 6962 audit path, lowest sibling first. `size` equals the checkpoint's size. */
        InclusionProof: {
            /** @description The exact bytes of the entry, base64; the leaf hash is SHA-256(0x00 || leaf). */
            leaf: string;
            index: number;
            size: number;
            path: string[];
        };
        /** @description A signed tree head. Made on request when the entry is newer than the last one. */
        Checkpoint: {
            /** @description The signed note (C2SP tlog-checkpoint): origin, size, base64 root, empty line, signatures. */
            note: string;
            /** @description `name+hash+base64` (C2SP signed-note). */
            verifierKey: string;
        };
        /** @description An entry with its evidence. */
        AuditEntryDetail: {
            entry: components["schemas"]["AuditEntry"];
            /** @description YAML; Secret values hidden. */
            before: string | null;
            /** @description YAML; Secret values hidden. */
            after: string | null;
            /** @description Between before and after. */
            changes: components["schemas"]["DiffEntry"][];
            refusals: components["schemas"]["Refusal"][];
            /** @description Rules evaluated and what they said. */
            evaluated: {
                rule: string;
                result: string;
            }[];
            proof: components["schemas"]["InclusionProof"];
            checkpoint: components["schemas"]["Checkpoint"];
        };
        /** @description The whole ledger recomputed from its files. */
        LedgerVerification: {
            ok: boolean;
            /** @description Entries checked. */
            size: number;
            /** @description Base64. */
            root: string;
            milliseconds: number;
            /**
             * Format: date-time
             * @description RFC 3339, UTC.
             */
            checkedAt: string;
            /** @description Where it fails. */
            problem: {
                index: number | null;
                message: string;
            } | null;
        };
        /** @description A catalog entity. */
        EntitySummary: {
            /** @description `kind:namespace/name`, lower case. */
            ref: string;
            kind: string;
            namespace: string;
            name: string;
            /** @description Title, or the name. */
            title: string;
            description: string;
            type: string;
            lifecycle: string;
            /** @description Entity reference. */
            owner: string | null;
            /** @description Entity reference. */
            system: string | null;
            tags: string[];
            health: components["schemas"]["Health"] | null;
            deployments: components["schemas"]["Deployment"][];
            problems: string[];
        };
        /** @description One direction of a relation. */
        Relation: {
            /** @enum {string} */
            type: "ownedBy" | "ownerOf" | "partOf" | "hasPart" | "providesApi" | "apiProvidedBy" | "consumesApi" | "apiConsumedBy" | "dependsOn" | "dependencyOf" | "childOf" | "parentOf" | "memberOf" | "hasMember";
            targetRef: string;
            /** @description Whether the target is in the catalog. */
            known: boolean;
        };
        /** @description An entity with everything its page shows. */
        EntityDetail: components["schemas"]["EntitySummary"] & {
            annotations: {
                [key: string]: string;
            };
            labels: {
                [key: string]: string;
            };
            links: {
                url: string;
                title: string;
            }[];
            relations: components["schemas"]["Relation"][];
            /** @description The file it comes from. */
            source: {
                /** @description Name of the repository. */
                repository: string;
                path: string;
                line: number;
            } | null;
            violations: components["schemas"]["Violation"][];
            changes: components["schemas"]["ChangeGroup"][];
            /** @description Markdown; null when there is none. */
            readme: string | null;
            yaml: string;
        };
        /** @description A Git repository served by the platform. */
        Repository: {
            name: string;
            /** @description Clone URL. */
            url: string;
            defaultBranch: string;
            head: components["schemas"]["Commit"] | null;
            entities: string[];
            applications: string[];
        };
        /** @description A golden path. */
        TemplateSummary: {
            name: string;
            title: string;
            description: string;
            type: string;
            /** @description Entity reference. */
            owner: string | null;
            tags: string[];
            makes: string[];
        };
        /** @description A golden path with its form. */
        TemplateDetail: components["schemas"]["TemplateSummary"] & {
            pages: {
                title: string;
                description: string;
                required: string[];
                /** @description The parameters in the template's order. Without it: required ones first. */
                order?: string[];
                properties: {
                    [key: string]: components["schemas"]["ParameterSchema"];
                };
            }[];
            steps: {
                id: string;
                name: string;
                action: string;
            }[];
        };
        /** @description JSON Schema of one parameter, with `ui:` hints; only what the form uses is listed. */
        ParameterSchema: {
            /** @enum {string} */
            type?: "string" | "integer" | "number" | "boolean" | "array";
            title?: string;
            description?: string;
            /** @description Default. */
            default?: unknown;
            enum?: unknown[];
            enumNames?: string[];
            pattern?: string;
            minLength?: number;
            maxLength?: number;
            minimum?: number;
            maximum?: number;
            /** @description `OwnerPicker`, `EntityPicker`, … */
            "ui:field"?: string;
            /** @description `textarea`, `radio`, … */
            "ui:widget"?: string;
            "ui:placeholder"?: string;
            "ui:help"?: string;
            "ui:options"?: {
                [key: string]: unknown;
            };
        } & {
            [key: string]: unknown;
        };
        /** @description Values of the form. */
        Parameters: {
            parameters: {
                [key: string]: unknown;
            };
        };
        /** @description What a run would do. Incomplete input gives `problems` and whatever can be shown. */
        TemplatePreview: {
            problems: components["schemas"]["Problem"][];
            files: {
                path: string;
                content: string;
            }[];
            /** @description Objects that will exist. */
            objects: components["schemas"]["ObjectRef"][];
            /** @description What the policies say about them. */
            verdicts: components["schemas"]["Verdict"][];
            outcomes: string[];
        };
        /** @description A started run. */
        RunRef: {
            id: string;
        };
        /** @description A step of a run. */
        RunStep: {
            id: string;
            name: string;
            action: string;
            /** @enum {string} */
            state: "pending" | "running" | "succeeded" | "failed" | "skipped";
            /**
             * Format: date-time
             * @description RFC 3339, UTC.
             */
            startedAt: string | null;
            /**
             * Format: date-time
             * @description RFC 3339, UTC.
             */
            finishedAt: string | null;
            log: {
                /**
                 * Format: date-time
                 * @description RFC 3339, UTC.
                 */
                at: string;
                text: string;
            }[];
        };
        /** @description A template run. */
        Run: {
            id: string;
            template: string;
            /** @description Such as `checkout from golden-service`. */
            title: string;
            actor: string;
            /** @enum {string} */
            state: "running" | "succeeded" | "failed";
            /**
             * Format: date-time
             * @description RFC 3339, UTC.
             */
            startedAt: string;
            /**
             * Format: date-time
             * @description RFC 3339, UTC.
             */
            finishedAt: string | null;
            steps: components["schemas"]["RunStep"][];
            links: {
                title: string;
                /** @description A portal path when it starts with `/`, else absolute. */
                url: string;
            }[];
            causality: string;
            error: string | null;
            refusals: components["schemas"]["Refusal"][];
        };
        /** @description `event: application` — replaces the summary in lists and details; `removed` when the Application is gone. */
        ApplicationEvent: {
            name: string;
            application: components["schemas"]["ApplicationSummary"] | null;
        };
        /** @description `event: tree` — objects of one application changed. */
        TreeEvent: {
            application: string;
            changed: components["schemas"]["TreeNode"][];
            removed: string[];
        };
        /** @description `event: operation` — progress of a sync or rollback, with the why line. */
        OperationEvent: {
            application: string;
            operation: components["schemas"]["Operation"];
            why: components["schemas"]["WhyStep"][];
        };
        /** @description `event: ledger` — new entries (at most 50; more means `size` jumps). */
        LedgerEvent: {
            size: number;
            entries: components["schemas"]["AuditEntry"][];
        };
        /** @description `event: policy` — score of a policy changed; null when the policy is gone. */
        PolicyEvent: {
            id: string;
            policy: components["schemas"]["PolicySummary"] | null;
        };
        /** @description `event: entity` — an entity changed; null when it is gone. */
        EntityEvent: {
            ref: string;
            entity: components["schemas"]["EntitySummary"] | null;
        };
        /** @description `event: run` — a run moved on. */
        RunEvent: {
            run: components["schemas"]["Run"];
        };
        /** @description `event: resync` — the client missed events (or just connected with an unknown Last-Event-ID): read everything again. */
        ResyncEvent: {
            reason: string;
        };
    };
    responses: {
        /** @description Not done. */
        Error: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"];
            };
        };
    };
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    getSession: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Session"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    signIn: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SignIn"];
            };
        };
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Session"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    signOut: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Signed out. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Error"];
        };
    };
    getSystem: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["System"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    getHome: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Home"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    listApplications: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["ApplicationSummary"][];
                    };
                };
            };
            default: components["responses"]["Error"];
        };
    };
    getApplication: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name of the application. */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ApplicationDetail"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    getObject: {
        parameters: {
            query: {
                /** @description `ObjectRef.key`. */
                key: string;
            };
            header?: never;
            path: {
                /** @description Name of the application. */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ObjectDetail"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    syncApplication: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name of the application. */
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SyncRequest"];
            };
        };
        responses: {
            /** @description Started. */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Operation"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    rollbackApplication: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name of the application. */
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RollbackRequest"];
            };
        };
        responses: {
            /** @description Started. */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Operation"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    listPromotions: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["PromotionBoard"][];
                    };
                };
            };
            default: components["responses"]["Error"];
        };
    };
    createPromotion: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PromotionRequest"];
            };
        };
        responses: {
            /** @description Committed. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PromotionResult"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    listPolicies: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["PolicySummary"][];
                    };
                };
            };
            default: components["responses"]["Error"];
        };
    };
    getPolicy: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description `PolicySummary.id`. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PolicyDetail"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    listExceptions: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["PolicyException"][];
                    };
                };
            };
            default: components["responses"]["Error"];
        };
    };
    askForException: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ExceptionRequest"];
            };
        };
        responses: {
            /** @description Asked for. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExceptionRef"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    removeException: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description `PolicyException.id`. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Gone. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Error"];
        };
    };
    approveException: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description `PolicyException.id`. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Approved. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Error"];
        };
    };
    judge: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PlaygroundRequest"];
            };
        };
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PlaygroundAnswer"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    listAuditEntries: {
        parameters: {
            query?: {
                /** @description Words that must occur in summary, actor or object. */
                q?: string;
                /** @description At or after. */
                from?: string;
                /** @description Before. */
                to?: string;
                /** @description Exact name. */
                actor?: string;
                /** @description Exact verb. */
                verb?: string;
                /** @description `ObjectRef.key`, or `Kind/name`, or a kind. */
                object?: string;
                /** @description Exact namespace. */
                namespace?: string;
                /** @description Outcome. */
                outcome?: components["schemas"]["Outcome"];
                /** @description Exact causality id. */
                causality?: string;
                /** @description `nextCursor` of the page before. */
                cursor?: string;
                /** @description 1 to 500, default 100. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AuditPage"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    getAuditEntry: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description `AuditEntry.index`. */
                index: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AuditEntryDetail"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    verifyLedger: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LedgerVerification"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    listEntities: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["EntitySummary"][];
                    };
                };
            };
            default: components["responses"]["Error"];
        };
    };
    getEntity: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Kind. */
                kind: string;
                /** @description Namespace. */
                namespace: string;
                /** @description Name. */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EntityDetail"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    listRepositories: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Repository"][];
                    };
                };
            };
            default: components["responses"]["Error"];
        };
    };
    listTemplates: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["TemplateSummary"][];
                    };
                };
            };
            default: components["responses"]["Error"];
        };
    };
    getTemplate: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name of the application. */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TemplateDetail"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    previewTemplate: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name of the application. */
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Parameters"];
            };
        };
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TemplatePreview"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    runTemplate: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name of the application. */
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Parameters"];
            };
        };
        responses: {
            /** @description Started. */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunRef"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    listRuns: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Run"][];
                    };
                };
            };
            default: components["responses"]["Error"];
        };
    };
    getRun: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description `RunRef.id`. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Run"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    streamEvents: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The stream. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["ApplicationEvent"] | components["schemas"]["TreeEvent"] | components["schemas"]["OperationEvent"] | components["schemas"]["LedgerEvent"] | components["schemas"]["PolicyEvent"] | components["schemas"]["EntityEvent"] | components["schemas"]["RunEvent"] | components["schemas"]["ResyncEvent"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
}
